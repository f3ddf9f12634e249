//! Cells and models.
//!
//! **Invariant:** an item whose head is broken still reaches the tree if its name and body were found, marked broken.

use proc_macro2::{Delimiter, Ident};

use super::name::{ITEM_WORDS, STATEMENT_WORDS, meant};
use super::parser::{Parsed, Parser};
use crate::ast::{Cell, CellInput, CellOutput, Item, ItemKind, Model, Program, Shape, Visibility};
use crate::diagnostics::Diagnostic;

/// Attributes an item may have; those of a model are put on the struct of its sizes, but for `expect(deprecated)` where there is a remark.
pub(super) const ATTRIBUTES: [&str; 8] = [
    "doc",
    "allow",
    "warn",
    "deny",
    "expect",
    "deprecated",
    "must_use",
    "derive",
];

impl Parser<'_> {
    /// Items up to the end of the input.
    pub(super) fn program(&mut self) -> Program {
        let mut items = Vec::new();
        while !self.cursor.at_end() {
            if self.eat(";").is_some() {
                continue;
            }
            match self.item() {
                Ok(item) => items.push(item),
                Err(_) => self.skip_item(),
            }
        }
        Program { items }
    }

    fn item(&mut self) -> Parsed<Item> {
        let (position, errors) = (self.cursor.position(), self.diagnostics.count());
        let mut attributes = self.attributes();
        self.refuse_attributes(&mut attributes, &ATTRIBUTES);
        let visibility = self.visibility();
        let is_cell = if self.eat_word("cell").is_some() {
            true
        } else if self.eat_word("model").is_some() {
            false
        } else {
            return Err(self.no_item());
        };
        let name = self.name(if is_cell {
            "the name of a cell"
        } else {
            "the name of a model"
        })?;
        let sizes = self.size_names().unwrap_or_default();
        let kind = if is_cell {
            ItemKind::Cell(self.signature())
        } else {
            if !self.at_group(Delimiter::Brace) && self.diagnostics.count() == errors {
                let error = self.expectation("`{`");
                self.error(
                    error.help("a model has no arguments: declare `input x[t]: [I];` in its body"),
                );
            }
            ItemKind::Model(Model)
        };
        self.skip_to_body();
        let Some(group) = self.eat_group(Delimiter::Brace) else {
            return Err(self.expected("a body in braces"));
        };
        let body = self.enter(&group, Parser::body)?;
        let broken = self.diagnostics.count() > errors;
        Ok(Item {
            attributes,
            visibility,
            name,
            sizes,
            kind,
            body,
            tokens: self.cursor.since(position),
            broken,
        })
    }

    fn no_item(&mut self) -> crate::diagnostics::Reported {
        let error = self.expectation("`cell` or `model`");
        let word = self.ident(0).map(ToString::to_string).unwrap_or_default();
        let error = if STATEMENT_WORDS.contains(&word.as_str()) {
            error.help(
                "declarations and equations stand in the braces of a `model Name<sizes> { .. }`",
            )
        } else {
            error.help_if(meant(&word, ITEM_WORDS))
        };
        self.error(error)
    }

    /// `pub`, `pub(crate)`
    fn visibility(&mut self) -> Visibility {
        let position = self.cursor.position();
        if self.eat_word("pub").is_none() {
            return Visibility::Private;
        }
        if self.eat_group(Delimiter::Parenthesis).is_some() {
            Visibility::Restricted(self.cursor.since(position))
        } else {
            Visibility::Public(self.cursor.since(position))
        }
    }

    /// `<I, H>`
    fn size_names(&mut self) -> Parsed<Vec<Ident>> {
        let mut names = Vec::new();
        if self.eat("<").is_none() {
            return Ok(names);
        }
        while self.eat(">").is_none() {
            if self.ident(0).is_none() || self.ident(1).is_some() {
                let error = self.expectation("the name of a size");
                let error = self.error(error.help("sizes are plain names: `<I, H>`"));
                return if names.is_empty() {
                    Err(error)
                } else {
                    Ok(names)
                };
            }
            names.push(self.name("the name of a size")?);
            if self.eat(",").is_none() && !self.at(">") {
                let error = self.expectation("`,` or `>`");
                self.error(error.help("sizes are plain names: `<I, H>`"));
                return Ok(names);
            }
        }
        Ok(names)
    }

    /// `(x: [I], memory[j]: [M]) -> h: [H], c: [H]`
    fn signature(&mut self) -> Cell {
        let mut cell = Cell {
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        let Some(group) = self.eat_group(Delimiter::Parenthesis) else {
            let error = self.expectation("`(`");
            self.error(
                error.help(
                    "a cell has inputs and outputs: `cell Rnn<I, H>(x: [I]) -> h: [H] { .. }`",
                ),
            );
            return cell;
        };
        cell.inputs = self
            .enter(&group, |inner| inner.list(Parser::cell_input, |_| None))
            .unwrap_or_default();
        if self.eat("->").is_none() {
            let error = self.expectation("`->`");
            self.error(error.help("name what the cell returns: `-> h: [H]`"));
            return cell;
        }
        while let Ok(output) = self.cell_output() {
            cell.outputs.push(output);
            if self.eat(",").is_none() || self.at_group(Delimiter::Brace) {
                break;
            }
        }
        if !self.at_group(Delimiter::Brace) && !cell.outputs.is_empty() {
            self.expected("`,` or `{`");
        }
        cell
    }

    fn cell_input(&mut self) -> Parsed<CellInput> {
        let name = self.name("the name of an input")?;
        let axes = self.declared_axes()?;
        self.require(":")?;
        Ok(CellInput {
            name,
            axes,
            ty: self.ty()?,
        })
    }

    fn cell_output(&mut self) -> Parsed<CellOutput> {
        let name = self.name("the name of an output")?;
        if self.at_group(Delimiter::Bracket) {
            let error = Diagnostic::new(
                self.cursor.here(),
                format!("the output `{name}` is declared without indices"),
            );
            self.error(error.help(format!(
                "it has the axes of the calling equation: write `{name}: [H]`"
            )));
            self.cursor.advance();
        }
        let shape = self.require(":").and_then(|_| self.shape());
        let shape = shape.unwrap_or_else(|_| Shape::error(self.cursor.here()));
        Ok(CellOutput { name, shape })
    }

    /// Goes to the next body, but not past the word that starts another item.
    fn skip_to_body(&mut self) {
        while !self.cursor.at_end() && !self.at_group(Delimiter::Brace) && !self.at_item() {
            self.cursor.advance();
        }
    }

    /// Goes behind the next body, or to the word that starts another item.
    fn skip_item(&mut self) {
        while !self.cursor.at_end() {
            let body = self.at_group(Delimiter::Brace);
            self.cursor.advance();
            if body || self.at_item() {
                return;
            }
        }
    }

    fn at_item(&self) -> bool {
        let word = |ahead| {
            self.ident(ahead)
                .is_some_and(|ident| ITEM_WORDS.iter().any(|word| ident == word))
        };
        word(0) && self.ident(1).is_some()
            || (self.ident(0).is_some_and(|ident| ident == "pub") && word(1))
    }
}

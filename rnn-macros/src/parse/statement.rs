//! Statements and the attributes in front of them.
//!
//! **Invariant:** after an error reading goes on behind the next `;`, or earlier at a word that starts a statement.

use proc_macro2::{Delimiter, Ident, TokenTree};

use super::name::STATEMENT_WORDS;
use super::parser::{Parsed, Parser};
use crate::ast::{
    Attribute, AxisKind, Equation, Expr, ExprKind, InputKind, ParamKind, Statement, StatementKind,
};
use crate::diagnostics::{Diagnostic, Reported, nearest};

impl Parser<'_> {
    /// Statements up to the end of the body.
    pub(super) fn body(&mut self) -> Vec<Statement> {
        let mut statements = Vec::new();
        while !self.cursor.at_end() {
            if self.eat(";").is_some() {
                continue;
            }
            let mut attributes = self.attributes();
            self.refuse_attributes(&mut attributes, &["doc"]);
            let (start, errors) = (self.cursor.here(), self.diagnostics.count());
            match self.statement() {
                Ok(kind) => {
                    statements.push(Statement {
                        attributes,
                        kind,
                        extent: self.since(start),
                    });
                    self.end_of_statement(self.diagnostics.count() > errors);
                }
                Err(_) => self.skip_statement(),
            }
        }
        statements
    }

    fn statement(&mut self) -> Parsed<StatementKind> {
        let Some(word) = self.ident(0).cloned() else {
            let error = self.expectation("a declaration or an equation");
            return Err(self.error(error));
        };
        let known = STATEMENT_WORDS.into_iter().find(|keyword| word == keyword);
        let Some(keyword) = known.or_else(|| self.misspelt(&word)) else {
            return self.equation();
        };
        if let Some(reported) = self.refuse_definition_of(keyword) {
            return Err(reported);
        }
        self.cursor.advance();
        Ok(match keyword {
            "time" => StatementKind::Axis(self.axis_declaration(AxisKind::Time)?),
            "index" => StatementKind::Axis(self.axis_declaration(AxisKind::Index)?),
            "input" => StatementKind::Inputs(self.inputs(InputKind::Input)?),
            "target" => StatementKind::Inputs(self.inputs(InputKind::Target)?),
            "param" => StatementKind::Params(self.params(ParamKind::Trained)?),
            "orthonormal" => StatementKind::Params(self.params(ParamKind::Orthonormal)?),
            "fixed" => StatementKind::Params(self.params(ParamKind::Fixed)?),
            "running" => StatementKind::Params(self.params(ParamKind::Running)?),
            "layer" => StatementKind::Layer(self.layer()?),
            "output" => StatementKind::Outputs(self.outputs()?),
            _ => StatementKind::Loss(self.expr()?),
        })
    }

    /// `parm b: [H] = 0;`: reported, and read as what it was meant to be.
    fn misspelt(&mut self, word: &Ident) -> Option<&'static str> {
        let behind = self.ident(1)?;
        if behind == "in" {
            return None;
        }
        let near = nearest(&word.to_string(), STATEMENT_WORDS)?;
        let keyword = STATEMENT_WORDS.into_iter().find(|known| *known == near)?;
        let error = Diagnostic::new(word, format!("no statement starts with `{word}`"));
        self.error(error.help(format!("did you mean `{keyword}`?")));
        Some(keyword)
    }

    /// `loss = ..` and `input[t] = ..` use a word of the language as a name.
    fn refuse_definition_of(&mut self, word: &str) -> Option<Reported> {
        let at = self.cursor.here();
        let bracketed = matches!(self.cursor.peek(1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket);
        let behind = if bracketed { 2 } else { 1 };
        self.cursor
            .symbol(behind)
            .filter(|symbol| symbol.text == "=")?;
        let error = Diagnostic::new(
            at,
            format!("`{word}` is a word of the language and cannot be a name"),
        );
        Some(self.error(match word {
            "loss" => error.help("the loss has no `=`: write `loss mean[t](..);`"),
            "output" => {
                error.help("outputs are named, not assigned: write `y[t] = ..;` and `output y;`")
            }
            _ => error.help(format!("choose another name, such as `{word}_1`")),
        }))
    }

    /// `c[t]: [H] = f[t] * c[t-1]`
    fn equation(&mut self) -> Parsed<StatementKind> {
        self.refuse_rust_statement()?;
        let left = self.indexed("a name")?;
        let shape = match self.eat(":") {
            Some(_) => Some(self.shape()?),
            None => None,
        };
        if self.at(",") {
            let error =
                Diagnostic::new(self.cursor.here(), "an equation gives one value, found `,`");
            self.error(
                error
                    .help("the other values of a layer have names of their own, as in `lstm.c[t]`"),
            );
            // The name is kept, so that what reads it is no error.
            let right = Expr::new(ExprKind::Error, self.cursor.here());
            while !self.at(";") && self.cursor.advance().is_some() {}
            return Ok(StatementKind::Equation(Equation { left, shape, right }));
        }
        if self.eat("=").is_none() {
            let error = self.expectation("`=`");
            let help = match self.cursor.symbol(0).map(|symbol| symbol.text) {
                Some("==") => Some("an equation has one `=`"),
                Some("+=" | "-=" | "*=" | "/=" | "@=") => {
                    Some("a name is defined once: write the whole right side")
                }
                Some("~") => Some("`~` draws a parameter: write `param` in front"),
                _ => Some("an equation is written `h[t] = ..;`"),
            };
            let reported = self.error(error.help_if(help.map(str::to_owned)));
            // The name is kept, so that what reads it is no error.
            if self.eat("==").is_none() {
                return Err(reported);
            }
        }
        let start = self.cursor.here();
        let right = self
            .expr()
            .unwrap_or_else(|_| Expr::new(ExprKind::Error, start));
        Ok(StatementKind::Equation(Equation { left, shape, right }))
    }

    /// Statements of Rust that equations do not need. `let` is dropped, the others end at their block.
    fn refuse_rust_statement(&mut self) -> Parsed<()> {
        let Some(word) = self.ident(0).cloned() else {
            return Ok(());
        };
        let text = word.to_string();
        match text.as_str() {
            "let" => {
                self.error(
                    Diagnostic::new(&word, "an equation has no `let`").help("write `h[t] = ..;`"),
                );
                self.cursor.advance();
                self.eat_word("mut");
                Ok(())
            }
            "for" | "while" | "loop" => {
                let error = Diagnostic::new(&word, "there are no loops in equations");
                Err(self
                    .error(error.help("an index says it: `h[t] = f(h[t-1]);` holds for every `t`")))
            }
            "if" | "match" => {
                let error = Diagnostic::new(&word, format!("there is no `{text}` in equations"));
                Err(self.error(error.help("a choice is written `where(condition, a, b)`")))
            }
            "state" | "init" if self.ident(1).is_some() => {
                let error = Diagnostic::new(&word, format!("there is no `{text}` statement"));
                Err(self.error(error.help("a state is any name read at `[t-1]`, its initial value the equation `h[0] = ..;`")))
            }
            _ => Ok(()),
        }
    }

    /// The `;` behind a statement. A broken statement may end anywhere.
    fn end_of_statement(&mut self, broken: bool) {
        if self.eat(";").is_some() {
            return;
        }
        if !broken {
            self.report_missing_semicolon();
        }
        if !self.at_statement() {
            self.skip_statement();
        }
    }

    fn report_missing_semicolon(&mut self) {
        let error = if self.cursor.at_end() || self.at_statement() {
            Diagnostic::new(self.cursor.previous(), "expected `;` behind this")
        } else {
            let ends = matches!(
                self.cursor.symbol(0).map(|symbol| symbol.text),
                Some("," | "~" | "=")
            );
            if !ends {
                self.misplaced("an operator or `;`");
                return;
            }
            let error = self.expectation("an operator or `;`");
            error.help("end the statement with `;`")
        };
        self.error(error);
    }

    /// Whether what follows can only be a new statement: a word of the language, or a name and `=` or `:`.
    fn at_statement(&self) -> bool {
        let Some(first) = self.ident(0) else {
            return false;
        };
        if self.ident(1).is_some() && STATEMENT_WORDS.iter().any(|word| first == word) {
            return true;
        }
        let mut ahead = 1;
        while self
            .cursor
            .symbol(ahead)
            .is_some_and(|symbol| symbol.text == ".")
            && self.ident(ahead + 1).is_some()
        {
            ahead += 2;
        }
        if matches!(self.cursor.peek(ahead), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket)
        {
            ahead += 1;
        }
        self.cursor
            .symbol(ahead)
            .is_some_and(|symbol| matches!(symbol.text, "=" | ":"))
    }

    /// Goes behind the next `;` or block, or to a word that starts a statement.
    fn skip_statement(&mut self) {
        loop {
            let block = self.at_group(Delimiter::Brace);
            let end = self.at(";");
            if self.cursor.advance().is_none() || end {
                return;
            }
            if block && !self.at(";") && self.ident(0).is_none_or(|ident| ident != "else") {
                return;
            }
            let word = self
                .ident(0)
                .is_some_and(|ident| STATEMENT_WORDS.iter().any(|word| ident == word));
            if word && self.at_statement() {
                return;
            }
        }
    }

    /// Reports and drops attributes that are not among `known`.
    pub(super) fn refuse_attributes(&mut self, attributes: &mut Vec<Attribute>, known: &[&str]) {
        attributes.retain(|attribute| {
            let is_known = known.iter().any(|known| attribute.name == known);
            if !is_known {
                let error = Diagnostic::new(
                    attribute.extent,
                    format!("`#[{}]` cannot stand here", attribute.name),
                );
                self.error(error.help(if known.len() == 1 {
                    "only documentation stands in front of a statement"
                } else {
                    "it would reach a part of what is generated: put it in front of `rnn!`"
                }));
            }
            is_known
        });
    }

    /// `/// text` and `#[name ..]`, any number.
    pub(super) fn attributes(&mut self) -> Vec<Attribute> {
        let mut attributes = Vec::new();
        while self.at("#") {
            let (start, position) = (self.cursor.here(), self.cursor.position());
            self.eat("#");
            let Some(group) = self.eat_group(Delimiter::Bracket) else {
                self.expected("`[`");
                continue;
            };
            let name = match group.stream().into_iter().next() {
                Some(TokenTree::Ident(name)) => name,
                _ => {
                    self.error(Diagnostic::new(
                        group.span_open(),
                        "expected the name of an attribute",
                    ));
                    continue;
                }
            };
            attributes.push(Attribute {
                name,
                tokens: self.cursor.since(position),
                extent: self.since(start),
            });
        }
        attributes
    }
}

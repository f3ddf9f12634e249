//! Dotted names as nested structs: `lstm.W_i` is field `W_i` of field `lstm`.
//!
//! **Invariant:** fields stand in the order in which their first tensor is declared.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

use crate::ast::Attribute;

/// A tensor that becomes a field.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// Dotted name.
    pub(crate) name: String,
    /// Number of axes.
    pub(crate) rank: usize,
    /// Tokens rather than real numbers.
    pub(crate) is_token: bool,
    /// One line: shape and how it starts.
    pub(crate) text: String,
    /// What the user wrote above the declaration.
    pub(crate) docs: Vec<Attribute>,
    pub(crate) span: Span,
}

/// A struct: its fields are tensors or structs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) fields: Vec<(String, Node)>,
}

/// A field.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Leaf(Leaf),
    Inner(Tree),
}

impl Tree {
    /// The structs of dotted names.
    pub(crate) fn new(leaves: impl IntoIterator<Item = Leaf>) -> Self {
        let mut root = Self::default();
        for leaf in leaves {
            let name = leaf.name.clone();
            let mut segments: Vec<&str> = name.split('.').collect();
            let last = segments.pop().unwrap_or_default();
            let mut tree = &mut root;
            for segment in segments {
                tree = tree.inner(segment);
            }
            if tree.fields.iter().all(|(known, _)| known != last) {
                tree.fields.push((last.to_owned(), Node::Leaf(leaf)));
            }
        }
        root
    }

    fn inner(&mut self, name: &str) -> &mut Self {
        let at = match self.fields.iter().position(|(known, _)| known == name) {
            Some(at) => at,
            None => {
                self.fields
                    .push((name.to_owned(), Node::Inner(Self::default())));
                self.fields.len() - 1
            }
        };
        if matches!(self.fields[at].1, Node::Leaf(_)) {
            self.fields[at].1 = Node::Inner(Self::default());
        }
        match &mut self.fields[at].1 {
            Node::Inner(tree) => tree,
            Node::Leaf(_) => unreachable!("replaced above"),
        }
    }

    /// All tensors in order, with the path of fields to each.
    pub(crate) fn leaves(&self) -> Vec<(Vec<Ident>, &Leaf)> {
        fn walk<'t>(tree: &'t Tree, path: &mut Vec<Ident>, out: &mut Vec<(Vec<Ident>, &'t Leaf)>) {
            for (name, node) in &tree.fields {
                path.push(identifier(name, node.span()));
                match node {
                    Node::Leaf(leaf) => out.push((path.clone(), leaf)),
                    Node::Inner(tree) => walk(tree, path, out),
                }
                path.pop();
            }
        }
        let mut out = Vec::new();
        walk(self, &mut Vec::new(), &mut out);
        out
    }
}

impl Node {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Leaf(leaf) => leaf.span,
            Self::Inner(_) => Span::call_site(),
        }
    }
}

/// An identifier of a name that was one.
pub(crate) fn identifier(name: &str, span: Span) -> Ident {
    match name.strip_prefix("r#") {
        Some(raw) => Ident::new_raw(raw, span),
        None => Ident::new(name, span),
    }
}

/// `enc.forward` of `Translate`, for parameters: `TranslateEncForwardParams`.
pub(crate) fn struct_name(model: &Ident, path: &[String], suffix: &str) -> Ident {
    let camel: String = path.iter().map(|segment| camel_case(segment)).collect();
    format_ident!("{}{}{}", model, camel, suffix, span = model.span())
}

fn camel_case(name: &str) -> String {
    let words = name.trim_start_matches("r#").split('_');
    words
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_uppercase().chain(letters).collect::<String>())
        })
        .map(Option::unwrap_or_default)
        .collect()
}

/// The documentation of a field: the user's, then one line on the tensor.
pub(crate) fn documentation(leaf: &Leaf) -> TokenStream {
    let docs = leaf.docs.iter().map(|attribute| &attribute.tokens);
    let text = &leaf.text;
    let gap = (!leaf.docs.is_empty()).then(|| quote!(#[doc = ""]));
    quote!(#(#docs)* #gap #[doc = #text])
}

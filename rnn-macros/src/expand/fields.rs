//! Dotted names to nested structs: `lstm.W_i` is the field `W_i` of the struct in the field `lstm`.
//!
//! **Invariant:** fields are in the order of first mention, and each path of names leads to one field.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

/// One tensor to be held in a field.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// Dotted; the key it is visited under.
    pub(super) name: String,
    /// Attributes of the field.
    pub(super) docs: TokenStream,
    /// Type of the field.
    pub(super) ty: TokenStream,
    pub(super) span: Span,
}

/// A struct and the structs in its fields.
#[derive(Debug)]
pub(super) struct Fields {
    /// Name of the struct.
    pub(super) name: Ident,
    fields: Vec<(Ident, Field)>,
}

#[derive(Debug)]
enum Field {
    Leaf(Leaf),
    Nested(Fields),
}

impl Fields {
    /// The structs for these leaves; `stem` and `suffix` are around the layer path in a struct's name.
    pub(super) fn new(stem: &Ident, suffix: &str, leaves: impl IntoIterator<Item = Leaf>) -> Self {
        let mut root = Self {
            name: format_ident!("{stem}{suffix}", span = stem.span()),
            fields: Vec::new(),
        };
        let mut names = vec![root.name.clone()];
        for leaf in leaves {
            let path: Vec<String> = segments(&leaf.name);
            root.insert(&path, leaf, stem, "", suffix, &mut names);
        }
        root
    }

    fn insert(
        &mut self,
        path: &[String],
        leaf: Leaf,
        stem: &Ident,
        above: &str,
        suffix: &str,
        names: &mut Vec<Ident>,
    ) {
        let [first, rest @ ..] = path else { return };
        if rest.is_empty() {
            let mut name = field_name(first, leaf.span);
            while self.fields.iter().any(|(known, _)| *known == name) {
                name = format_ident!("{name}_", span = leaf.span);
            }
            self.fields.push((name, Field::Leaf(leaf)));
            return;
        }
        let nested = self
            .fields
            .iter_mut()
            .find_map(|(known, field)| match field {
                Field::Nested(fields) if *known == first.as_str() => Some(fields),
                _ => None,
            });
        let above = format!("{above}{}", pascal(first));
        match nested {
            Some(fields) => fields.insert(rest, leaf, stem, &above, suffix, names),
            None => {
                let mut name = format_ident!("{stem}{above}{suffix}", span = stem.span());
                while names.contains(&name) {
                    name = format_ident!("{name}_", span = stem.span());
                }
                names.push(name.clone());
                let mut fields = Self {
                    name,
                    fields: Vec::new(),
                };
                fields.insert(rest, leaf, stem, &above, suffix, names);
                self.fields
                    .push((field_name(first, stem.span()), Field::Nested(fields)));
            }
        }
    }

    /// Whether there are no fields.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The struct definitions, outer ones first.
    pub(super) fn definitions(&self, doc: &str, visibility: &TokenStream) -> TokenStream {
        let Self { name, fields } = self;
        let members = fields.iter().map(|(field, what)| match what {
            Field::Leaf(Leaf { docs, ty, .. }) => quote!(#docs pub #field: #ty,),
            Field::Nested(Fields { name, .. }) => {
                let doc = format!(" Those of the layer `{field}`.");
                quote!(#[doc = #doc] pub #field: #name,)
            }
        });
        let nested = fields.iter().filter_map(|(field, what)| match what {
            Field::Nested(fields) => {
                Some(fields.definitions(&format!("{doc} Layer `{field}`."), visibility))
            }
            Field::Leaf(_) => None,
        });
        quote! {
            #[doc = #doc]
            #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::cmp::PartialEq)]
            #[allow(non_snake_case, non_camel_case_types, reason = "names are those of the equations")]
            #[allow(dead_code, reason = "a program need not read every value of a model")]
            #visibility struct #name { #(#members)* }
            #(#nested)*
        }
    }

    /// Every leaf with the way to its field, `.lstm.W_i`, in order.
    pub(super) fn leaves(&self) -> Vec<(TokenStream, &Leaf)> {
        let mut found = Vec::new();
        self.collect(&TokenStream::new(), &mut found);
        found
    }

    fn collect<'f>(&'f self, above: &TokenStream, found: &mut Vec<(TokenStream, &'f Leaf)>) {
        for (name, field) in &self.fields {
            let path = quote!(#above.#name);
            match field {
                Field::Leaf(leaf) => found.push((path, leaf)),
                Field::Nested(fields) => fields.collect(&path, found),
            }
        }
    }

    /// A struct expression with a value for every leaf.
    pub(super) fn build(&self, value: &dyn Fn(&Leaf) -> TokenStream) -> TokenStream {
        let Self { name, fields } = self;
        let members = fields.iter().map(|(field, what)| {
            let value = match what {
                Field::Leaf(leaf) => value(leaf),
                Field::Nested(fields) => fields.build(value),
            };
            quote!(#field: #value,)
        });
        quote!(#name { #(#members)* })
    }
}

/// The parts of a dotted name. Brackets of a boundary, `h[0, c]`, may hold anything but dots.
fn segments(name: &str) -> Vec<String> {
    name.split('.').map(str::to_owned).collect()
}

/// A field that is called like this, as far as Rust allows.
pub(super) fn field_name(name: &str, span: Span) -> Ident {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() || c == '_' {
            text.push(c);
        } else if !text.ends_with('_') {
            text.push('_');
        }
    }
    let text = text.trim_end_matches('_');
    let starts_well = text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text != "_";
    if starts_well && name == text {
        Ident::new(text, span)
    } else {
        format_ident!("value_{text}", span = span)
    }
}

/// `my_layer` is `MyLayer`.
fn pascal(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_uppercase().chain(letters).collect())
                .unwrap_or_default()
        })
        .collect::<Vec<String>>()
        .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(name: &str) -> Leaf {
        Leaf {
            name: name.to_owned(),
            docs: TokenStream::new(),
            ty: quote!(A),
            span: Span::call_site(),
        }
    }

    #[test]
    fn dotted_names_nest_in_order() {
        let stem = Ident::new("M", Span::call_site());
        let fields = Fields::new(
            &stem,
            "Params",
            ["a", "enc.forward.W", "b", "enc.forward.U", "enc.l1.h"].map(leaf),
        );
        insta::assert_snapshot!(fields.build(&|leaf| leaf.name.parse().expect("tokens")), @"MParams { a : a , enc : MEncParams { forward : MEncForwardParams { W : enc . forward . W , U : enc . forward . U , } , l1 : MEncL1Params { h : enc . l1 . h , } , } , b : b , }");
        let ways: Vec<String> = fields
            .leaves()
            .iter()
            .map(|(way, _)| way.to_string())
            .collect();
        assert_eq!(ways[1], ". enc . forward . W");
    }

    #[test]
    fn names_that_are_no_fields_are_made_into_some() {
        let name = |name: &str| field_name(name, Span::call_site()).to_string();
        assert_eq!(name("h"), "h");
        assert_eq!(name("h[0, c]"), "value_h_0_c");
        assert_eq!(pascal("my_enc"), "MyEnc");
        assert_eq!(pascal("l1"), "L1");
    }
}

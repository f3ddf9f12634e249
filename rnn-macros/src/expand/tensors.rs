//! Structs of owned tensors: parameters and states, nested by layer.
//!
//! **Invariant:** the names given to visitors are the dotted names of the graph, as literals.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::fields::{Node, Tree, documentation, identifier, struct_name};

/// What is the same for all structs of a model.
pub(crate) struct Context<'a> {
    pub(crate) facade: &'a TokenStream,
    pub(crate) model: &'a Ident,
    pub(crate) visibility: &'a TokenStream,
}

/// The structs of a tree, and the implementation of `Tensors` for the outermost.
pub(crate) fn define(context: &Context<'_>, tree: &Tree, suffix: &str, about: &str) -> TokenStream {
    let structs = structs(context, tree, &mut Vec::new(), suffix, about);
    let implementation = implementation(context, tree, suffix);
    quote!(#structs #implementation)
}

fn structs(
    context: &Context<'_>,
    tree: &Tree,
    path: &mut Vec<String>,
    suffix: &str,
    about: &str,
) -> TokenStream {
    let Context {
        facade,
        model,
        visibility,
    } = context;
    let name = struct_name(model, path, suffix);
    let text = if path.is_empty() {
        format!("{about} of [`{model}`].")
    } else {
        format!("{about} of `{}` in [`{model}`].", path.join("."))
    };
    let mut fields = TokenStream::new();
    let mut inner = TokenStream::new();
    for (field, node) in &tree.fields {
        let ident = identifier(field, node.span());
        match node {
            Node::Leaf(leaf) => {
                let docs = documentation(leaf);
                let array = format_ident!("Array{}", leaf.rank);
                fields.extend(quote!(#docs #visibility #ident: #facade::__private::#array<f32>,));
            }
            Node::Inner(tree) => {
                path.push(field.clone());
                let of = struct_name(model, path, suffix);
                let text = format!("{about} of `{}`.", path.join("."));
                fields.extend(quote!(#[doc = #text] #visibility #ident: #of,));
                inner.extend(structs(context, tree, path, suffix, about));
                path.pop();
            }
        }
    }
    quote! {
        #[doc = #text]
        #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::cmp::PartialEq)]
        #[allow(non_snake_case, non_camel_case_types, dead_code)]
        #visibility struct #name { #fields }
        #inner
    }
}

fn implementation(context: &Context<'_>, tree: &Tree, suffix: &str) -> TokenStream {
    let Context { facade, model, .. } = context;
    let name = struct_name(model, &[], suffix);
    let private = quote!(#facade::__private);
    let leaves = tree.leaves();
    let names: Vec<&String> = leaves.iter().map(|(_, leaf)| &leaf.name).collect();
    let paths: Vec<TokenStream> = leaves.iter().map(|(path, _)| quote!(#(#path).*)).collect();
    let built = construct(context, tree, &mut Vec::new(), suffix);
    quote! {
        impl #private::Tensors for #name {
            fn visit<'a>(
                &'a self,
                visitor: &mut dyn ::core::ops::FnMut(&str, #private::ArrayViewD<'a, f32>),
            ) {
                let _ = &visitor;
                #(visitor(#names, self.#paths.view().into_dyn());)*
            }
            fn visit_mut<'a>(
                &'a mut self,
                visitor: &mut dyn ::core::ops::FnMut(&str, #private::ArrayViewMutD<'a, f32>),
            ) {
                let _ = &visitor;
                #(visitor(#names, self.#paths.view_mut().into_dyn());)*
            }
            fn from_tensors(
                take: &mut dyn ::core::ops::FnMut(&str) -> #private::ArrayD<f32>,
            ) -> Self {
                let _ = &take;
                #built
            }
        }
    }
}

fn construct(
    context: &Context<'_>,
    tree: &Tree,
    path: &mut Vec<String>,
    suffix: &str,
) -> TokenStream {
    let name = struct_name(context.model, path, suffix);
    let mut fields = TokenStream::new();
    for (field, node) in &tree.fields {
        let ident = identifier(field, node.span());
        let value = match node {
            Node::Leaf(leaf) => {
                let (tensor, message) = (
                    &leaf.name,
                    format!("a tensor for `{}` has {} axes", leaf.name, leaf.rank),
                );
                quote!(::core::result::Result::expect(take(#tensor).into_dimensionality(), #message))
            }
            Node::Inner(tree) => {
                path.push(field.clone());
                let value = construct(context, tree, path, suffix);
                path.pop();
                value
            }
        };
        fields.extend(quote!(#ident: #value,));
    }
    quote!(#name { #fields })
}

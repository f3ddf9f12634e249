//! A model: the struct of its sizes, the structs its values travel in, its equations as text.
//!
//! **Invariant:** a model with errors gets the same structs, as far as they are known, so that the rest of the user's file
//! compiles.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

use super::fields::{Leaf, Tree, documentation, identifier, struct_name};
use super::tensors::{self, Context};
use crate::ast::{Attribute, Item, Visibility};
use crate::elaborate::{Elaborated, Kind, Tensor};

/// The items of a model.
pub(crate) fn define(facade: &TokenStream, item: &Item, elaborated: &Elaborated) -> TokenStream {
    let visibility = match &item.visibility {
        Visibility::Private => TokenStream::new(),
        Visibility::Restricted(tokens) | Visibility::Public(tokens) => tokens.clone(),
    };
    let context = Context {
        facade,
        model: &item.name,
        visibility: &visibility,
    };
    let of = |kind: Kind| {
        elaborated
            .interface
            .tensors
            .iter()
            .filter(move |tensor| tensor.kind == kind)
    };
    let params = Tree::new(of(Kind::Param).map(leaf));
    let state = Tree::new(states(elaborated));
    let inputs: Vec<Leaf> = of(Kind::Input).map(leaf).collect();
    let targets: Vec<Leaf> = of(Kind::Target).map(leaf).collect();
    let outputs: Vec<Leaf> = of(Kind::Output).map(leaf).collect();
    let sizes = sizes(&context, item);
    let params = tensors::define(&context, &params, "Params", "Parameters");
    let state = tensors::define(
        &context,
        &state,
        "State",
        "Values carried from step to step",
    );
    let inputs_struct = views(&context, &inputs, "Inputs", "Inputs");
    let targets_struct = views(&context, &targets, "Targets", "Targets");
    let outputs = arrays(&context, &outputs);
    let implementation = implementation(
        &context,
        item,
        elaborated,
        !inputs.is_empty(),
        !targets.is_empty(),
    );
    quote!(#sizes #params #state #inputs_struct #targets_struct #outputs #implementation)
}

fn leaf(tensor: &Tensor) -> Leaf {
    let mut text = format!("`{}`", tensor.shape);
    if tensor.is_token {
        text.push_str(", tokens");
    }
    if !tensor.note.is_empty() {
        text.push_str(&format!(", `{}`", tensor.note));
    }
    text.push('.');
    Leaf {
        name: tensor.name.clone(),
        rank: tensor.rank,
        is_token: tensor.is_token,
        text,
        docs: tensor.docs.clone(),
        span: tensor.extent.start,
    }
}

fn states(elaborated: &Elaborated) -> Vec<Leaf> {
    let Some(graph) = &elaborated.graph else {
        return Vec::new();
    };
    rnn_ir::state::carried(graph)
        .into_iter()
        .map(|state| {
            let features = state.shape.0.iter().map(ToString::to_string);
            let axes: Vec<String> = std::iter::once("B".to_owned()).chain(features).collect();
            Leaf {
                name: state.name,
                rank: axes.len(),
                is_token: false,
                text: format!("`[{}]`.", axes.join(", ")),
                docs: Vec::new(),
                span: Span::call_site(),
            }
        })
        .collect()
}

// The struct that is the model: its sizes.
fn sizes(context: &Context<'_>, item: &Item) -> TokenStream {
    let Context {
        model, visibility, ..
    } = context;
    let docs = item.attributes.iter().map(|attribute| &attribute.tokens);
    let written = item.attributes.iter().any(Attribute::is_doc);
    let about = (!written).then(|| {
        let text = format!("The model `{model}`, with its sizes.");
        quote!(#[doc = #text])
    });
    let fields = item.sizes.iter().map(|size| {
        let text = format!("The size `{size}`.");
        quote!(#[doc = #text] #visibility #size: usize)
    });
    quote! {
        #(#docs)*
        #about
        #[derive(
            ::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug,
            ::core::cmp::PartialEq, ::core::cmp::Eq, ::core::hash::Hash
        )]
        #[allow(non_snake_case, non_camel_case_types, dead_code)]
        #visibility struct #model { #(#fields),* }
    }
}

// Inputs and targets: views that the caller gives.
fn views(context: &Context<'_>, leaves: &[Leaf], suffix: &str, about: &str) -> TokenStream {
    let Context {
        facade,
        model,
        visibility,
    } = context;
    let name = struct_name(model, &[], suffix);
    let text = format!("{about} of [`{model}`].");
    let private = quote!(#facade::__private);
    if leaves.is_empty() {
        let text = format!("{text} It has none.");
        return quote! {
            #[doc = #text]
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
            #[allow(dead_code)]
            #visibility struct #name;
            impl<'a> #private::Inputs<'a> for #name {
                fn visit(&self, _visitor: &mut dyn ::core::ops::FnMut(&'static str, #private::InputView<'a>)) {}
            }
        };
    }
    let idents: Vec<Ident> = leaves
        .iter()
        .map(|leaf| identifier(&leaf.name, leaf.span))
        .collect();
    let fields = leaves.iter().zip(&idents).map(|(leaf, ident)| {
        let docs = documentation(leaf);
        let view = format_ident!("ArrayView{}", leaf.rank);
        let element = element(leaf);
        quote!(#docs #visibility #ident: #private::#view<'a, #element>)
    });
    let visits = leaves.iter().zip(&idents).map(|(leaf, ident)| {
        let (tensor, variant) = (&leaf.name, variant(leaf));
        quote!(visitor(#tensor, #private::InputView::#variant(::core::clone::Clone::clone(&self.#ident).into_dyn()));)
    });
    quote! {
        #[doc = #text]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #[allow(non_snake_case, non_camel_case_types, dead_code)]
        #visibility struct #name<'a> { #(#fields),* }
        impl<'a> #private::Inputs<'a> for #name<'a> {
            fn visit(&self, visitor: &mut dyn ::core::ops::FnMut(&'static str, #private::InputView<'a>)) {
                #(#visits)*
            }
        }
    }
}

fn element(leaf: &Leaf) -> TokenStream {
    if leaf.is_token {
        quote!(u32)
    } else {
        quote!(f32)
    }
}

fn variant(leaf: &Leaf) -> Ident {
    format_ident!("{}", if leaf.is_token { "Index" } else { "Real" })
}

// Outputs: arrays that the model makes. An output of a layer, `lstm.c`, is the field `lstm_c`.
fn arrays(context: &Context<'_>, leaves: &[Leaf]) -> TokenStream {
    let Context {
        facade,
        model,
        visibility,
    } = context;
    let name = struct_name(model, &[], "Outputs");
    let text = format!("Outputs of [`{model}`].");
    let private = quote!(#facade::__private);
    let idents: Vec<Ident> = leaves
        .iter()
        .map(|leaf| identifier(&leaf.name.replace('.', "_"), leaf.span))
        .collect();
    let fields = leaves.iter().zip(&idents).map(|(leaf, ident)| {
        let docs = documentation(leaf);
        let (array, element) = (format_ident!("Array{}", leaf.rank), element(leaf));
        quote!(#docs #visibility #ident: #private::#array<#element>)
    });
    let takes = leaves.iter().zip(&idents).map(|(leaf, ident)| {
        let into = format_ident!("{}", if leaf.is_token { "into_index" } else { "into_real" });
        let (tensor, message) = (&leaf.name, format!("output `{}` has {} axes", leaf.name, leaf.rank));
        quote!(#ident: ::core::result::Result::expect(take(#tensor).#into().into_dimensionality(), #message))
    });
    let visits = leaves.iter().zip(&idents).map(|(leaf, ident)| {
        let (tensor, variant) = (&leaf.name, variant(leaf));
        quote!(visitor(#tensor, #private::OutputViewMut::#variant(self.#ident.view_mut().into_dyn()));)
    });
    quote! {
        #[doc = #text]
        #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::cmp::PartialEq)]
        #[allow(non_snake_case, non_camel_case_types, dead_code)]
        #visibility struct #name { #(#fields),* }
        impl #private::Outputs for #name {
            fn from_values(
                take: &mut dyn ::core::ops::FnMut(&str) -> #private::OutputValue,
            ) -> Self {
                let _ = &take;
                Self { #(#takes),* }
            }
            fn visit_mut<'a>(
                &'a mut self,
                visitor: &mut dyn ::core::ops::FnMut(&str, #private::OutputViewMut<'a>),
            ) {
                let _ = &visitor;
                #(#visits)*
            }
        }
    }
}

fn implementation(
    context: &Context<'_>,
    item: &Item,
    elaborated: &Elaborated,
    has_inputs: bool,
    has_targets: bool,
) -> TokenStream {
    let Context {
        facade,
        model,
        visibility,
    } = context;
    let private = quote!(#facade::__private);
    let name = model.to_string();
    let empty = rnn_ir::graph::Graph::new(name.clone());
    let text = rnn_ir::text::print(elaborated.graph.as_ref().unwrap_or(&empty));
    let [params, state, inputs, targets, outputs] =
        ["Params", "State", "Inputs", "Targets", "Outputs"]
            .map(|suffix| struct_name(model, &[], suffix));
    let borrowed = |has: bool| has.then(|| quote!(<'a>));
    let (inputs_of, targets_of) = (borrowed(has_inputs), borrowed(has_targets));
    let sizes = &item.sizes;
    let names = item.sizes.iter().map(ToString::to_string);
    let result = quote!(::core::result::Result);
    quote! {
        impl #facade::Model for #model {
            const NAME: &'static str = #name;
            const IR: &'static str = #text;
            type Params = #params;
            type Inputs<'a> = #inputs #inputs_of;
            type Targets<'a> = #targets #targets_of;
            type Outputs = #outputs;
            type State = #state;
            fn sizes(&self) -> ::std::vec::Vec<(&'static str, usize)> {
                ::std::vec![#((#names, self.#sizes)),*]
            }
        }
        #[allow(dead_code)]
        impl #model {
            /// Compiles the model for these sizes.
            ///
            /// # Errors
            /// Sizes that are zero, or too large for this machine.
            #visibility fn compile(
                &self,
                options: #facade::Options,
            ) -> #result<#facade::Compiled<Self>, #facade::CompileError> {
                #private::compile(*self, options)
            }
        }
        #[allow(dead_code)]
        impl #params {
            /// Draws every parameter by its rule, from a seed.
            ///
            /// # Errors
            /// Sizes that are zero or too large, or a rule that does not fit its tensor.
            #visibility fn init(spec: &#model, seed: u64) -> #result<Self, #facade::InitError> {
                #private::init_params::<#model>(spec, seed)
            }
            /// All zeros: what gradients are accumulated in.
            ///
            /// # Errors
            /// Sizes that are zero or too large.
            #visibility fn zeros(spec: &#model) -> #result<Self, #facade::InitError> {
                #private::zero_params::<#model>(spec)
            }
        }
        #[allow(dead_code)]
        impl #state {
            /// The state of examples that remember nothing.
            #visibility fn zeros(spec: &#model, batch: usize) -> Self {
                #private::zero_state::<#model>(spec, batch)
            }
        }
    }
}

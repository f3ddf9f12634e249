//! What a model expands to: the struct of its sizes, the structs of its values, and the model as text.
//!
//! **Invariant:** the items are the same with and without errors, but for fields that could not be known; with errors the
//! text is that of a model without equations.

use proc_macro2::TokenStream;
use quote::quote;
use rnn_ir::axis::AxisId;
use rnn_ir::graph::Graph;
use rnn_ir::state::carried;

use super::structs::Names;
use crate::ast::{Attribute, Item, Visibility};
use crate::diagnostics::expected;
use crate::elaborate::{Elaborated, Kind};

/// The items of a model, about which there is a remark or not.
pub(super) fn emit(
    item: &Item,
    elaborated: &Elaborated,
    remarked: bool,
    facade: &TokenStream,
) -> TokenStream {
    let name = &item.name;
    let visibility = match &item.visibility {
        Visibility::Private => TokenStream::new(),
        Visibility::Restricted(tokens) | Visibility::Public(tokens) => tokens.clone(),
    };
    let names = Names {
        model: name,
        visibility: &visibility,
        private: quote!(#facade::__private),
    };
    let interface = &elaborated.interface;
    let (params, inputs) = (names.params(interface), names.views(interface, Kind::Input));
    let (targets, outputs) = (
        names.views(interface, Kind::Target),
        names.outputs(interface),
    );
    let state = names.state(&elaborated.graph.as_ref().map(states).unwrap_or_default());

    let text = match &elaborated.graph {
        Some(graph) => rnn_ir::text::print(graph),
        None => rnn_ir::text::print(&without_equations(item)),
    };
    let attributes = item.attributes.iter().map(|attribute| {
        if remarked && attribute.name == "expect" {
            expected(attribute, false)
        } else {
            attribute.tokens.clone()
        }
    });
    let undocumented = !item.attributes.iter().any(Attribute::is_doc);
    let fallback = undocumented.then(|| {
        let doc = format!(" The model `{name}`, by its sizes.");
        quote!(#[doc = #doc])
    });
    let sizes = &item.sizes;
    let members = sizes.iter().map(|size| {
        let doc = format!(" Size `{size}`.");
        quote!(#[doc = #doc] pub #size: usize,)
    });
    let values = sizes.iter().map(|size| {
        let key = size.to_string();
        quote!((#key, self.#size))
    });
    let (params_name, inputs_name, targets_name) =
        (names.of("Params"), names.of("Inputs"), names.of("Targets"));
    let (outputs_name, state_name) = (names.of("Outputs"), names.of("State"));
    let name_text = name.to_string();
    let private = &names.private;
    quote! {
        #(#attributes)*
        #fallback
        #[derive(
            ::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug, ::core::cmp::PartialEq, ::core::cmp::Eq,
            ::core::hash::Hash,
        )]
        #[allow(non_snake_case, non_camel_case_types, reason = "names are those of the equations")]
        #visibility struct #name { #(#members)* }
        #params
        #inputs
        #targets
        #outputs
        #state
        #[automatically_derived]
        impl #facade::Model for #name {
            const NAME: &'static str = #name_text;
            const IR: &'static str = #text;
            type Params = #params_name;
            type Inputs<'a> = #inputs_name<'a>;
            type Targets<'a> = #targets_name<'a>;
            type Outputs = #outputs_name;
            type State = #state_name;
            fn sizes(&self) -> ::std::vec::Vec<(&'static str, usize)> {
                ::std::vec![#(#values),*]
            }
        }
        #[allow(dead_code, reason = "a program need not call every function of a model")]
        impl #name {
            /// Compiles the model for these sizes.
            ///
            /// # Errors
            /// A size the model cannot have, or the equation that cannot be compiled.
            #visibility fn compile(
                &self,
                options: #facade::Options,
            ) -> ::core::result::Result<#facade::Compiled<Self>, #facade::CompileError> {
                #private::compile(*self, options)
            }
        }
        #[allow(dead_code, reason = "a program need not call every function of a model")]
        impl #params_name {
            /// Draws the parameters; the same seed gives the same ones.
            ///
            /// # Errors
            /// A size the model cannot have, or an initial value that cannot be drawn for these sizes.
            #visibility fn init(spec: &#name, seed: u64) -> ::core::result::Result<Self, #facade::InitError> {
                #private::init_params::<#name>(spec, seed)
            }
            /// Parameters that are all zero, such as gradients before the first step.
            ///
            /// # Errors
            /// A size the model cannot have.
            #visibility fn zeros(spec: &#name) -> ::core::result::Result<Self, #facade::InitError> {
                #private::zero_params::<#name>(spec)
            }
        }
        #[allow(dead_code, reason = "a program need not call every function of a model")]
        impl #state_name {
            /// The state of a batch of examples before anything was read.
            #visibility fn zeros(spec: &#name, batch: usize) -> Self {
                #private::zero_state::<#name>(spec, batch)
            }
        }
    }
}

/// Names, ranks and shapes of what a model carries from step to step.
fn states(graph: &Graph) -> Vec<(String, usize, String)> {
    carried(graph)
        .into_iter()
        .map(|state| {
            let mut shape = vec!["B".to_owned()];
            shape.extend(state.shape.0.iter().map(ToString::to_string));
            (state.name, shape.len(), format!("[{}]", shape.join(", ")))
        })
        .collect()
}

/// A model of this name and these sizes that computes nothing.
fn without_equations(item: &Item) -> Graph {
    let mut graph = Graph::new(item.name.to_string());
    graph.sizes = item.sizes.iter().map(ToString::to_string).collect();
    debug_assert!(
        graph.axes.get(AxisId::BATCH).is_some(),
        "every graph has the batch"
    );
    graph
}

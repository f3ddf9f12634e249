//! The structs that a model's values travel in, and how the runtime visits them.
//!
//! **Invariant:** every tensor is visited under its name in the graph, as a literal.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::fields::{Fields, Leaf, field_name};
use crate::elaborate::{Interface, Kind, Tensor};

/// What the structs of one model share.
pub(super) struct Names<'n> {
    pub(super) model: &'n Ident,
    pub(super) visibility: &'n TokenStream,
    /// `$crate::__private`
    pub(super) private: TokenStream,
}

impl Names<'_> {
    /// `CharLmParams`
    pub(super) fn of(&self, suffix: &str) -> Ident {
        format_ident!("{}{suffix}", self.model, span = self.model.span())
    }

    /// An owned array of a rank.
    fn array(&self, rank: Option<usize>, element: &TokenStream) -> TokenStream {
        let private = &self.private;
        match rank {
            Some(rank @ 0..=3) => {
                let array = format_ident!("Array{rank}");
                quote!(#private::#array<#element>)
            }
            _ => quote!(#private::ArrayD<#element>),
        }
    }

    /// A borrowed array of a rank.
    fn view(&self, rank: Option<usize>, element: &TokenStream) -> TokenStream {
        let private = &self.private;
        match rank {
            Some(rank @ 0..=4) => {
                let array = format_ident!("ArrayView{rank}");
                quote!(#private::#array<'a, #element>)
            }
            _ => quote!(#private::ArrayViewD<'a, #element>),
        }
    }

    /// `CharLmParams` with everything it implements.
    pub(super) fn params(&self, interface: &Interface) -> TokenStream {
        let leaves = of_kind(interface, Kind::Param).map(|tensor| {
            let what = if tensor.note.is_empty() {
                tensor.shape.clone()
            } else {
                format!("{} {}", tensor.shape, tensor.note)
            };
            self.leaf(tensor, &format!(" `{what}`"))
        });
        let doc = format!(" Parameters of [`{}`].", self.model);
        self.tensors(&Fields::new(self.model, "Params", leaves), &doc)
    }

    /// `CharLmState` with everything it implements. `carried` are names and shapes.
    pub(super) fn state(&self, carried: &[(String, usize, String)]) -> TokenStream {
        let span = self.model.span();
        let leaves = carried.iter().map(|(name, rank, shape)| {
            let doc = format!(" `{name}` after the last step: `{shape}`");
            let ty = self.array(Some(*rank), &quote!(f32));
            Leaf {
                name: name.clone(),
                docs: quote!(#[doc = #doc]),
                ty,
                span,
            }
        });
        let doc = format!(
            " What [`{}`] carries from one step to the next.",
            self.model
        );
        self.tensors(&Fields::new(self.model, "State", leaves), &doc)
    }

    fn leaf(&self, tensor: &Tensor, doc: &str) -> Leaf {
        let user = tensor.docs.iter().map(|attribute| &attribute.tokens);
        let gap = (!tensor.docs.is_empty()).then(|| quote!(#[doc = ""]));
        let element = if tensor.is_token {
            quote!(u32)
        } else {
            quote!(f32)
        };
        Leaf {
            name: tensor.name.clone(),
            docs: quote!(#(#user)* #gap #[doc = #doc]),
            ty: self.array(tensor.rank, &element),
            span: tensor.extent.start,
        }
    }

    fn tensors(&self, fields: &Fields, doc: &str) -> TokenStream {
        let (private, name) = (&self.private, &fields.name);
        let definitions = fields.definitions(doc, self.visibility);
        let leaves = fields.leaves();
        let visits = leaves.iter().map(|(path, leaf)| {
            let key = &leaf.name;
            quote!(visitor(#key, self #path.view().into_dyn());)
        });
        let visits_mut = leaves.iter().map(|(path, leaf)| {
            let key = &leaf.name;
            quote!(visitor(#key, self #path.view_mut().into_dyn());)
        });
        let built = fields.build(&|leaf| {
            let key = &leaf.name;
            let why = format!("`{key}` has the rank of its declaration");
            quote!(take(#key).into_dimensionality().expect(#why))
        });
        let (visitor, take) = if fields.is_empty() {
            (quote!(_), quote!(_))
        } else {
            (quote!(visitor), quote!(take))
        };
        quote! {
            #definitions
            #[automatically_derived]
            impl #private::Tensors for #name {
                fn visit<'a>(&'a self, #visitor: &mut dyn ::core::ops::FnMut(&str, #private::ArrayViewD<'a, f32>)) {
                    #(#visits)*
                }
                fn visit_mut<'a>(
                    &'a mut self,
                    #visitor: &mut dyn ::core::ops::FnMut(&str, #private::ArrayViewMutD<'a, f32>),
                ) {
                    #(#visits_mut)*
                }
                fn from_tensors(#take: &mut dyn ::core::ops::FnMut(&str) -> #private::ArrayD<f32>) -> Self {
                    #built
                }
            }
        }
    }

    /// `CharLmInputs`, or `CharLmTargets`.
    pub(super) fn views(&self, interface: &Interface, kind: Kind) -> TokenStream {
        let private = &self.private;
        let (suffix, what) = match kind {
            Kind::Target => ("Targets", "What the loss of"),
            _ => ("Inputs", "What"),
        };
        let name = self.of(suffix);
        let doc = format!(
            " {what} [`{}`] reads: time first, then the batch, then features.",
            self.model
        );
        let tensors: Vec<&Tensor> = of_kind(interface, kind).collect();
        let fields: Vec<Ident> = tensors
            .iter()
            .map(|tensor| field_name(&tensor.name, tensor.extent.start))
            .collect();
        let members = tensors.iter().zip(&fields).map(|(tensor, field)| {
            let user = tensor.docs.iter().map(|attribute| &attribute.tokens);
            let gap = (!tensor.docs.is_empty()).then(|| quote!(#[doc = ""]));
            let doc = format!(
                " `{}`{}",
                tensor.shape,
                if tensor.is_token { ", tokens" } else { "" }
            );
            let element = if tensor.is_token {
                quote!(u32)
            } else {
                quote!(f32)
            };
            let ty = self.view(tensor.rank, &element);
            quote!(#(#user)* #gap #[doc = #doc] pub #field: #ty,)
        });
        let visits = tensors.iter().zip(&fields).map(|(tensor, field)| {
            let variant = if tensor.is_token { quote!(Index) } else { quote!(Real) };
            let key = &tensor.name;
            quote!(visitor(#key, #private::InputView::#variant(::core::clone::Clone::clone(&self.#field).into_dyn()));)
        });
        let slices = tensors.iter().zip(&fields).map(|(tensor, field)| {
            let variant = if tensor.is_token { quote!(Index) } else { quote!(Real) };
            let key = &tensor.name;
            quote! {
                let ::core::option::Option::Some(elements) = self.#field.as_slice() else { return false; };
                visitor(#key, #private::InputSlice::#variant(self.#field.shape(), elements));
            }
        });
        let taken = tensors.iter().zip(&fields).map(|(tensor, field)| {
            let variant = if tensor.is_token {
                quote!(Index)
            } else {
                quote!(Real)
            };
            let key = &tensor.name;
            quote! {
                #field: match take(#key)? {
                    #private::InputView::#variant(view) => view.into_dimensionality().ok()?,
                    _ => return ::core::option::Option::None,
                },
            }
        });
        let (visitor, take) = if tensors.is_empty() {
            (quote!(_), quote!(_))
        } else {
            (quote!(visitor), quote!(take))
        };
        // A struct without views has a lifetime to hold, and can be made without one.
        let (empty, default, nothing) = if tensors.is_empty() {
            (
                Some(quote!(lifetime: ::core::marker::PhantomData<&'a ()>,)),
                Some(quote!(#[derive(::core::default::Default)])),
                Some(quote!(lifetime: ::core::marker::PhantomData,)),
            )
        } else {
            (None, None, None)
        };
        let visibility = self.visibility;
        quote! {
            #[doc = #doc]
            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            #default
            #[allow(non_snake_case, non_camel_case_types, reason = "names are those of the equations")]
            #[allow(dead_code, reason = "a program need not read every value of a model")]
            #visibility struct #name<'a> { #(#members)* #empty }
            #[automatically_derived]
            impl<'a> #private::Inputs<'a> for #name<'a> {
                fn visit(&self, #visitor: &mut dyn ::core::ops::FnMut(&'static str, #private::InputView<'a>)) {
                    #(#visits)*
                }
                fn from_views(
                    #take: &mut dyn ::core::ops::FnMut(&'static str) -> ::core::option::Option<#private::InputView<'a>>,
                ) -> ::core::option::Option<Self> {
                    ::core::option::Option::Some(Self { #(#taken)* #nothing })
                }
                fn visit_slices(
                    &self,
                    #visitor: &mut dyn ::core::ops::FnMut(&'static str, #private::InputSlice<'_>),
                ) -> bool {
                    #(#slices)*
                    true
                }
            }
        }
    }

    /// `CharLmOutputs`
    pub(super) fn outputs(&self, interface: &Interface) -> TokenStream {
        let (private, name) = (&self.private, self.of("Outputs"));
        let doc = format!(
            " What [`{}`] returns: time first, then the batch, then features.",
            self.model
        );
        let tensors: Vec<&Tensor> = of_kind(interface, Kind::Output).collect();
        let fields: Vec<Ident> = tensors
            .iter()
            .map(|tensor| field_name(&tensor.name.replace('.', "_"), tensor.extent.start))
            .collect();
        let members = tensors.iter().zip(&fields).map(|(tensor, field)| {
            let doc = format!(
                " `{}`: `{}`{}",
                tensor.name,
                tensor.shape,
                if tensor.is_token { ", tokens" } else { "" }
            );
            let element = if tensor.is_token {
                quote!(u32)
            } else {
                quote!(f32)
            };
            let ty = self.array(tensor.rank, &element);
            quote!(#[doc = #doc] pub #field: #ty,)
        });
        let values = tensors.iter().zip(&fields).map(|(tensor, field)| {
            let key = &tensor.name;
            let into = if tensor.is_token {
                quote!(into_index)
            } else {
                quote!(into_real)
            };
            let why = format!("`{key}` has the rank of its equation");
            quote!(#field: take(#key).#into().into_dimensionality().expect(#why),)
        });
        let visits = tensors.iter().zip(&fields).map(|(tensor, field)| {
            let variant = if tensor.is_token { quote!(Index) } else { quote!(Real) };
            let key = &tensor.name;
            quote!(visitor(#key, #private::OutputViewMut::#variant(self.#field.view_mut().into_dyn()));)
        });
        let slices = tensors.iter().zip(&fields).map(|(tensor, field)| {
            let variant = if tensor.is_token { quote!(Index) } else { quote!(Real) };
            let key = &tensor.name;
            quote! {
                let ::core::option::Option::Some(elements) = self.#field.as_slice_mut() else { return false; };
                visitor(#key, #private::OutputSliceMut::#variant(elements));
            }
        });
        let (visitor, take) = if tensors.is_empty() {
            (quote!(_), quote!(_))
        } else {
            (quote!(visitor), quote!(take))
        };
        let visibility = self.visibility;
        quote! {
            #[doc = #doc]
            #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::cmp::PartialEq)]
            #[allow(non_snake_case, non_camel_case_types, reason = "names are those of the equations")]
            #[allow(dead_code, reason = "a program need not read every value of a model")]
            #visibility struct #name { #(#members)* }
            #[automatically_derived]
            impl #private::Outputs for #name {
                fn from_values(#take: &mut dyn ::core::ops::FnMut(&str) -> #private::OutputValue) -> Self {
                    Self { #(#values)* }
                }
                fn visit_mut<'a>(
                    &'a mut self,
                    #visitor: &mut dyn ::core::ops::FnMut(&str, #private::OutputViewMut<'a>),
                ) {
                    #(#visits)*
                }
                fn visit_slices_mut(
                    &mut self,
                    #visitor: &mut dyn ::core::ops::FnMut(&str, #private::OutputSliceMut<'_>),
                ) -> bool {
                    #(#slices)*
                    true
                }
            }
        }
    }
}

fn of_kind(interface: &Interface, kind: Kind) -> impl Iterator<Item = &Tensor> {
    interface
        .tensors
        .iter()
        .filter(move |tensor| tensor.kind == kind)
}

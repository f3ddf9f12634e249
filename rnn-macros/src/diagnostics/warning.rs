//! Remarks as warnings.
//!
//! Stable Rust lets a procedural macro warn in one way: by code that uses what it declares to be deprecated.
//!
//! **Invariant:** a warning stands at the place of its remark, and the attributes of the item decide on it as on any lint.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

use super::{Diagnostics, Remark};

impl Diagnostics {
    /// One warning per remark.
    pub(crate) fn to_warnings(&self) -> TokenStream {
        self.remarks.iter().map(Remark::warning).collect()
    }
}

impl Remark {
    fn warning(&self) -> TokenStream {
        let place = self.diagnostic.extent.start;
        let text = self.diagnostic.text();
        let name = Ident::new("remark", place);
        let used = quote_spanned!(place=> #name);
        let levels = &self.levels;
        quote! {
            #levels
            const _: () = {
                #[deprecated(note = #text)]
                #[allow(non_upper_case_globals, reason = "the compiler prints the name, which reads as a word")]
                const #name: () = ();
                #used
            };
        }
    }
}

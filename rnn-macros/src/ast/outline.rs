//! A program as text for snapshots: its source form with every parenthesis written out.
//!
//! **Invariant:** two different trees have different outlines.

use std::fmt::{self, Display, Formatter};

use super::{Program, Visibility};

/// Wraps a program to print it.
pub(crate) struct Outline<'a>(pub(crate) &'a Program);

impl Display for Outline<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for item in &self.0.items {
            for attribute in &item.attributes {
                writeln!(f, "{}", attribute.tokens)?;
            }
            match &item.visibility {
                Visibility::Private => {}
                Visibility::Restricted(tokens) | Visibility::Public(tokens) => {
                    write!(f, "{tokens} ")?
                }
            }
            writeln!(
                f,
                "{}{}",
                item.signature(),
                if item.broken { " (broken)" } else { "" }
            )?;
            for statement in &item.body {
                for attribute in &statement.attributes {
                    writeln!(f, "  {}", attribute.tokens)?;
                }
                writeln!(f, "  {:#}", statement.kind)?;
            }
        }
        Ok(())
    }
}

//! SVG, painted.
//!
//! **Invariant:** text is in the fonts that come with this crate, so a picture does not depend on those of the machine.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use crate::error::PlotError;

/// Pixels of a unit of the SVG on a side, for files.
pub(super) const SCALE: f32 = 2.0;

/// Pixels on a side that a picture may have.
const LARGEST: f32 = 16384.0;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    fonts.load_font_data(epaint_default_fonts::HACK_REGULAR.to_vec());
    fonts.set_sans_serif_family("Ubuntu");
    fonts.set_monospace_family("Hack");
    Arc::new(fonts)
});

/// Paints an SVG as a PNG, each of its units as so many pixels on a side.
///
/// # Errors
/// [`PlotError::Draw`] for a text that is not SVG, and for a picture of more than 16384 pixels on a side.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, PlotError> {
    let failed = |reason: String| PlotError::Draw { reason };
    let options = Options {
        fontdb: Arc::clone(&FONTS),
        font_family: "Ubuntu".to_owned(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(error.to_string()))?;
    let (width, height) = (tree.size().width() * scale, tree.size().height() * scale);
    let fits = |side: f32| (1.0..=LARGEST).contains(&side);
    let pixmap = match fits(width) && fits(height) {
        true => Pixmap::new(width.ceil() as u32, height.ceil() as u32),
        false => None,
    };
    let mut pixmap = pixmap.ok_or_else(|| {
        failed(format!(
            "expected 1 to {LARGEST} pixels on a side, found {width} x {height}"
        ))
    })?;
    let scaled = Transform::from_scale(scale, scale);
    resvg::render(&tree, scaled, &mut pixmap.as_mut());
    pixmap
        .encode_png()
        .map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_or_too_large_is_refused() {
        let told = |result: Result<Vec<u8>, PlotError>| match result {
            Err(error @ PlotError::Draw { .. }) => error.to_string(),
            other => panic!("expected a picture that cannot be drawn, found {other:?}"),
        };
        assert!(told(png("loss: 0.5", 1.0)).starts_with("the picture cannot be drawn: "));
        let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"/>"#;
        let large = told(png(svg, 1000.0));
        assert!(
            large.contains("expected 1 to 16384 pixels on a side, found 20000 x 10000"),
            "{large}"
        );
        assert!(png(svg, 1.0).is_ok_and(|bytes| bytes.starts_with(b"\x89PNG")));
    }
}

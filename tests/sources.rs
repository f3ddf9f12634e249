//! Batches of data that a caller has in memory, without a type of its own.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

use std::path::Path;

use ndarray::Axis;
use rnn::Compiled;
use rnn::error::{ResumeError, TrainError};
use rnn::prelude::*;
use rnn::ragged::{LengthBatches, lengths, pad};
use rnn::train::{
    Arrays, Checkpoints, Fingerprint, Gathered, Ordered, Rate, Run, Settings, Shuffled, Source,
    SourceError, Trainer,
};

rnn! {
    /// The class of a sequence of words, read beside something that does not change in time.
    model Classify<V, I, H, C> {
        time   t in 1..=T;
        input  word[t]: token<V>;
        input  about: [I];
        target class: token<C>;
        param W: [H, V] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        param A: [H, I] ~ glorot_uniform;
        param W_y: [C, H] ~ glorot_uniform;
        h[t] = tanh(W.T[word[t]] + U @ h[t-1] + A @ about);
        logits = W_y @ h[T];
        output logits;
        loss cross_entropy(logits, class);
    }

    /// Two axes of time, of which the targets have one.
    model Pairs<V, H> {
        time   j in 1..=S;
        time   t in 1..=T;
        input  src[j]: token<V>;
        target tgt[t]: token<V>;
        param E: [V, H] ~ normal(0.0, 0.5);
        param U: [H, H] ~ orthogonal;
        param W_y: [V, H] ~ glorot_uniform;
        m[j] = tanh(E[src[j]] + U @ m[j-1]);
        h[0] = m[S];
        h[t] = tanh(U @ h[t-1]);
        logits[t] = W_y @ h[t];
        output logits;
        loss mean[t](cross_entropy(logits[t], tgt[t]));
    }
}

#[rustfmt::skip]
const SPEC: Classify = Classify { V: 7, I: 2, H: 5, C: 3 };

/// Sentences, what each is about, and its class.
struct Data {
    texts: Vec<Vec<u32>>,
    about: Array2<f32>,
    classes: Vec<u32>,
}

impl Data {
    fn new() -> Self {
        let text = |at: u32| (0..1 + at % 6).map(|t| (at * 5 + t * t) % 7).collect();
        Self {
            texts: (0..23).map(text).collect(),
            about: Array2::from_shape_fn((23, 2), |(b, i)| ((b * 3 + i) % 5) as f32 - 2.0),
            classes: (0..23).map(|at| at * at % 3).collect(),
        }
    }

    fn lengths(&self) -> Vec<usize> {
        lengths(&self.texts)
    }
}

fn trainer() -> Trainer<Classify> {
    let model = SPEC.compile(Options::default()).unwrap();
    let params = ClassifyParams::init(&SPEC, 1).unwrap();
    Trainer::new(
        model,
        params,
        Settings::default().rate(Rate::constant(0.01)),
    )
    .unwrap()
}

fn bits<P: Tensors>(params: &P) -> Vec<u32> {
    let mut bits = Vec::new();
    params.visit(&mut |_, view| bits.extend(view.iter().map(|value| value.to_bits())));
    bits
}

fn trained(source: &mut dyn Source<Classify>) -> Vec<u32> {
    let mut trainer = trainer();
    trainer.fit(source, None, Run::epochs(3)).unwrap();
    bits(trainer.params())
}

#[test]
fn whole_arrays_and_functions_give_the_same_batches() {
    let data = Data::new();
    let all = data.lengths();
    let gathered = Gathered::of::<Classify>(
        data.texts.len(),
        |rows| {
            let texts: Vec<&Vec<u32>> = rows.iter().map(|row| &data.texts[*row]).collect();
            let class: Array1<u32> = rows.iter().map(|row| data.classes[*row]).collect();
            let about = data.about.select(Axis(0), rows);
            Ok((pad(&texts), about, class, lengths(&texts)))
        },
        |(word, about, class, lengths)| {
            let (word, about, class) = (word.view(), about.view(), class.view());
            (
                ClassifyInputs { word, about }.lengths(lengths),
                ClassifyTargets { class },
            )
        },
    );
    let order = Shuffled::new(LengthBatches::new(&all, 4).unwrap(), 9);
    let expected = trained(&mut Ordered::new(gathered, order).unwrap());

    let (word, class) = (pad(&data.texts), Array1::from(data.classes.clone()));
    let model = SPEC.compile(Options::default()).unwrap();
    let inputs = |word| ClassifyInputs {
        word,
        about: data.about.view(),
    };
    let targets = || ClassifyTargets {
        class: class.view(),
    };
    let arrays = Arrays::new(&model, inputs(word.view()), targets()).unwrap();
    let arrays = arrays.lengths(&all).unwrap();
    assert_eq!(
        trained(&mut arrays.clone().shuffled(4, 9).unwrap()),
        expected
    );
    assert_ne!(trained(&mut arrays.shuffled(4, 8).unwrap()), expected);
    // Examples first, in memory of another order.
    let turned = word.t().as_standard_layout().to_owned();
    let first = inputs(BatchFirst(turned.view()).into());
    let arrays = Arrays::new(&model, first, targets()).unwrap();
    let mut source = arrays.lengths(&all).unwrap().shuffled(4, 9).unwrap();
    assert_eq!(trained(&mut source), expected);
}

#[test]
fn a_batch_has_no_more_steps_than_its_longest_example() {
    let spec = Pairs { V: 5, H: 3 };
    let model = spec.compile(Options::default()).unwrap();
    let src = Array2::from_shape_fn((6, 4), |(t, b)| ((t + 2 * b) % 5) as u32);
    let tgt = Array2::from_shape_fn((9, 4), |(t, b)| ((3 * t + b) % 5) as u32);
    let (of_src, of_tgt) = ([2, 6, 1, 3], [1, 2, 9, 3]);
    let (inputs, targets) = (
        PairsInputs { src: src.view() },
        PairsTargets { tgt: tgt.view() },
    );
    let arrays = Arrays::new(&model, inputs, targets).unwrap();
    let arrays = (arrays.lengths_of("j", &of_src).unwrap())
        .lengths_of("t", &of_tgt)
        .unwrap();
    let mut source = arrays.in_order(2).unwrap();
    // Lengths 3, 3 and 6, 9: the longer of each example's.
    let batch = Source::<Pairs>::next(&mut source).unwrap().unwrap();
    assert_eq!(batch.targets.tgt.dim(), (3, 2));
    assert_eq!(batch.targets.tgt, ndarray::array![[0, 3], [3, 1], [1, 4]]);
    assert_eq!(batch.seen, 2);
    let batch = Source::<Pairs>::next(&mut source).unwrap().unwrap();
    assert_eq!(batch.targets.tgt.dim(), (9, 2));
    assert!(Source::<Pairs>::next(&mut source).unwrap().is_none());
    // The mean over batches is that of all at once.
    let params = PairsParams::init(&spec, 2).unwrap();
    let inputs = PairsInputs { src: src.view() };
    let batch = inputs.lengths_of("j", &of_src).lengths_of("t", &of_tgt);
    let targets = PairsTargets { tgt: tgt.view() };
    let whole = model.loss(&params, batch, targets).unwrap();
    let trainer = Trainer::new(model, params, Settings::default()).unwrap();
    let parts = trainer.evaluate(&mut source).unwrap().unwrap();
    assert!(
        (f64::from(whole) / parts - 1.0).abs() < 1e-6,
        "{whole} {parts}"
    );
}

#[test]
fn arrays_that_do_not_fit_each_other_are_named() {
    let model = SPEC.compile(Options::default()).unwrap();
    let (word, about) = (Array2::<u32>::zeros((4, 3)), Array2::<f32>::zeros((3, 2)));
    let class = Array1::<u32>::zeros(5);
    let new = |word: &Array2<u32>, class: &Array1<u32>| {
        let (inputs, targets) = (
            ClassifyInputs {
                word: word.view(),
                about: about.view(),
            },
            ClassifyTargets {
                class: class.view(),
            },
        );
        Arrays::new(&model, inputs, targets)?
            .lengths(&[1, 2])
            .map(|_| ())
    };
    let said = |error: Result<_, SourceError>| error.err().unwrap().to_string();
    assert_eq!(
        said(new(&word, &class)),
        "examples of arrays: class: expected 3 examples, as `word` has, found 5"
    );
    let none = Array2::<u32>::zeros((4, 0));
    assert_eq!(
        said(new(&none, &class)),
        "examples of arrays: about: expected 0 examples, as `word` has, found 3"
    );
    let fits = Array1::<u32>::zeros(3);
    assert_eq!(
        said(new(&word, &fits)),
        "examples of arrays: lengths along `t`: expected 3, one an example, found 2"
    );
    let arrays = || {
        let (word, about) = (word.view(), about.view());
        let class = fits.view();
        Arrays::new(
            &model,
            ClassifyInputs { word, about },
            ClassifyTargets { class },
        )
        .unwrap()
    };
    assert_eq!(
        said(arrays().lengths(&[4, 1, 5]).map(|_| ())),
        "examples of arrays: lengths along `t`: expected at most 4, the steps of `word`, found 5 for example 2"
    );
    assert_eq!(
        said(arrays().lengths_of("s", &[1, 1, 1]).map(|_| ())),
        "examples of arrays: lengths along `s`: expected one of the time axes `t`"
    );
    assert!(arrays().shuffled(0, 1).is_err() && arrays().in_order(0).is_err());
}

#[test]
fn a_function_may_fail_with_any_error() {
    let texts = ["1 2", "3 x"];
    let gathered = Gathered::of::<Classify>(
        2,
        |rows| {
            let parse = |row: &usize| texts[*row].split(' ').map(str::parse).collect();
            let texts: Vec<Vec<u32>> = rows.iter().map(parse).collect::<Result<_, _>>()?;
            Ok((
                pad(&texts),
                Array2::zeros((rows.len(), 2)),
                Array1::zeros(rows.len()),
            ))
        },
        |(word, about, class)| {
            let (word, about, class) = (word.view(), about.view(), class.view());
            (
                Batch::new(ClassifyInputs { word, about }),
                ClassifyTargets { class },
            )
        },
    );
    let order = LengthBatches::new(&[2, 2], 1).unwrap();
    let mut source = Ordered::new(gathered, order).unwrap();
    let error = trainer()
        .fit(&mut source, None, Run::epochs(1))
        .unwrap_err();
    assert_eq!(error.to_string(), "invalid digit found in string");
}

#[test]
fn a_run_over_arrays_is_taken_up_in_the_middle_of_an_epoch() {
    let data = Data::new();
    let (word, all) = (pad(&data.texts), data.lengths());
    let class = Array1::from(data.classes.clone());
    let model = SPEC.compile(Options::default()).unwrap();
    let source = || {
        let inputs = ClassifyInputs {
            word: word.view(),
            about: data.about.view(),
        };
        let class = class.view();
        let arrays = Arrays::new(&model, inputs, ClassifyTargets { class }).unwrap();
        arrays.lengths(&all).unwrap().shuffled(4, 9).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut whole = trainer();
    whole.fit(&mut source(), None, Run::epochs(2)).unwrap();
    let mut first = trainer();
    let mut own = source();
    for _ in 0..4 {
        let batch = own.next().unwrap().unwrap();
        first.learn(batch).unwrap();
    }
    first.save(&path, &own).unwrap();
    let mut second = trainer();
    let mut own = source();
    second.resume(&path, &mut own).unwrap();
    let run = Run::epochs(2).checkpoints(Checkpoints::file(&path));
    second.fit(&mut own, None, run).unwrap();
    assert_eq!(bits(second.params()), bits(whole.params()));
}

// The part that a checkpoint at `path` says has changed.
fn changed(path: &Path, source: &mut dyn Source<Classify>) -> String {
    let mut trainer = trainer();
    let before = bits(trainer.params());
    let error = trainer.resume(path, source).unwrap_err();
    let told = error.to_string();
    assert!(told.contains(&*path.to_string_lossy()), "{told}");
    assert!(told.contains("give the data of that run"), "{told}");
    assert_eq!(
        (trainer.steps(), bits(trainer.params())),
        (0, before),
        "nothing is changed"
    );
    match error {
        TrainError::Resume { source, .. } => match *source {
            ResumeError::Source(SourceError::Changed {
                name,
                expected,
                found,
            }) => {
                assert_ne!(expected, found);
                name
            }
            other => panic!("expected data that have changed, found {other}"),
        },
        other => panic!("expected data that have changed, found {other}"),
    }
}

#[test]
fn a_run_is_not_taken_up_after_a_number_of_its_arrays_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let model = SPEC.compile(Options::default()).unwrap();
    let data = Data::new();
    let (word, class) = (pad(&data.texts), Array1::from(data.classes.clone()));
    let lengths = data.lengths();
    type Own<'d> = (
        &'d Array2<u32>,
        &'d Array2<f32>,
        &'d Array1<u32>,
        &'d [usize],
    );
    fn source<'d>(
        model: &Compiled<Classify>,
        (word, about, class, lengths): Own<'d>,
    ) -> Ordered<Arrays<'d, Classify>, Shuffled> {
        let (word, about, class) = (word.view(), about.view(), class.view());
        let inputs = ClassifyInputs { word, about };
        let arrays = Arrays::new(model, inputs, ClassifyTargets { class }).unwrap();
        arrays.lengths(lengths).unwrap().shuffled(4, 9).unwrap()
    }
    let own: Own<'_> = (&word, &data.about, &class, &lengths);
    let run = Run::epochs(1).checkpoints(Checkpoints::file(&path));
    trainer().fit(&mut source(&model, own), None, run).unwrap();

    let (mut word, mut about, mut class) = (word.clone(), data.about.clone(), class.clone());
    let mut other = lengths.clone();
    word[[0, 5]] = (word[[0, 5]] + 1) % 7;
    about[[22, 1]] = -about[[22, 1]];
    class[3] = (class[3] + 1) % 3;
    other[8] -= 1;
    for (own, name) in [
        ((&word, own.1, own.2, own.3), "word"),
        ((own.0, &about, own.2, own.3), "about"),
        ((own.0, own.1, &class, own.3), "class"),
        ((own.0, own.1, own.2, &other[..]), "lengths along t"),
    ] {
        let mut source = source(&model, own);
        assert_eq!(changed(&path, &mut source), name);
        assert_eq!(source.passes(), 0);
    }
    trainer().resume(&path, &mut source(&model, own)).unwrap();
}

#[test]
fn a_run_over_functions_is_not_taken_up_after_what_they_are_made_of_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let all = Data::new().lengths();
    let source = |data: &Data| {
        let (texts, classes) = (data.texts.clone(), data.classes.clone());
        let of_texts = (texts.iter()).fold(Fingerprint::default(), |all, own| all.tokens(own));
        let of_classes = Fingerprint::default().tokens(&classes);
        let gathered = Gathered::of::<Classify>(
            all.len(),
            move |rows| {
                let texts: Vec<&Vec<u32>> = rows.iter().map(|row| &texts[*row]).collect();
                let class: Array1<u32> = rows.iter().map(|row| classes[*row]).collect();
                Ok((pad(&texts), Array2::zeros((rows.len(), 2)), class))
            },
            |(word, about, class)| {
                let (word, about, class) = (word.view(), about.view(), class.view());
                (
                    Batch::new(ClassifyInputs { word, about }),
                    ClassifyTargets { class },
                )
            },
        );
        let order = LengthBatches::new(&all, 4).unwrap();
        // What separates parts in a checkpoint may be in a name.
        let gathered = gathered
            .made_of("texts/a,b=c", of_texts)
            .made_of("classes", of_classes);
        Ordered::new(gathered, order).unwrap()
    };
    let data = Data::new();
    let run = Run::epochs(1).checkpoints(Checkpoints::file(&path));
    trainer().fit(&mut source(&data), None, run).unwrap();
    let mut other = Data::new();
    other.classes[11] = (other.classes[11] + 1) % 3;
    assert_eq!(changed(&path, &mut source(&other)), "classes");
    let mut other = Data::new();
    other.texts.swap(0, 6);
    assert_eq!(changed(&path, &mut source(&other)), "texts_a_b_c");
    trainer().resume(&path, &mut source(&data)).unwrap();
}

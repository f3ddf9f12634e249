//! What a caller can do wrong is an error that says so: no panic, and nothing half done.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is missing"
)]

use std::fmt::Display;
use std::fs;

use rnn::cells::Lstm;
use rnn::optim::{AdamConfig, OptimizerConfig, RmsPropConfig};
use rnn::prelude::*;
use rnn::progress::Progress;
use rnn::ragged::LengthBatches;
use rnn::schedule::Plateau;
use rnn::train::{
    Checkpoints, Clip, Gathered, Order, Ordered, Rate, Run, Settings, Shuffled, Source,
    SourceError, TextSource, Trainer, TrainingBatch, Watch,
};
use rnn::{ContinuousText, log, plot};

rnn! {
    /// Character language model.
    model CharLm<V, E, H> {
        time   t in 1..=T;
        input  now[t]:  token<V>;
        target next[t]: token<V>;
        param embed: [V, E] ~ normal(0.0, 0.1);
        param W_y:   [V, H] ~ glorot_uniform;
        param b_y:   [V]    = 0;
        layer lstm = Lstm<E, H>;
        h[t]      = lstm(embed[now[t]]);
        logits[t] = W_y @ h[t] + b_y;
        output logits;
        loss   mean[t](cross_entropy(logits[t], next[t]));
    }

    /// Follows a signal.
    model Follow<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target y[t]: [I];
        param W: [H, I] ~ glorot_uniform;
        param U: [H, H] ~ orthogonal;
        param V: [I, H] ~ glorot_uniform;
        h[t] = tanh(W @ x[t] + U @ h[t-1]);
        o[t] = V @ h[t];
        output o;
        loss mean[t](squared_error(o[t], y[t]));
    }
}

#[rustfmt::skip]
const SPEC: CharLm = CharLm { V: 7, E: 3, H: 4 };
const FOLLOW: Follow = Follow { I: 2, H: 3 };

/// The message of an error, which has to say all of this.
#[track_caller]
fn fails<T, E: Display>(result: Result<T, E>, says: &[&str]) {
    let text = match result {
        Ok(_) => panic!("expected an error that says {says:?}"),
        Err(error) => error.to_string(),
    };
    for part in says {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

fn model() -> Compiled<CharLm> {
    SPEC.compile(Options::default()).unwrap()
}

fn params() -> CharLmParams {
    CharLmParams::init(&SPEC, 1).unwrap()
}

fn tokens(steps: usize, examples: usize) -> Array2<u32> {
    Array2::from_shape_fn((steps, examples), |(t, b)| ((t + 3 * b) % 7) as u32)
}

type Tokens<'a> = ndarray::ArrayView2<'a, u32>;

fn lay_out<'a>(now: Tokens<'a>, next: Tokens<'a>) -> (CharLmInputs<'a>, CharLmTargets<'a>) {
    (CharLmInputs { now }, CharLmTargets { next })
}

type LayOut = for<'a> fn(Tokens<'a>, Tokens<'a>) -> (CharLmInputs<'a>, CharLmTargets<'a>);

fn source() -> TextSource<LayOut> {
    let text = (0..400_u32).map(|at| at * at % 7).collect();
    TextSource::new::<CharLm>(ContinuousText::new(text, 4, 10).unwrap(), lay_out as LayOut)
}

fn trainer() -> Trainer<CharLm> {
    Trainer::new(model(), params(), Settings::default()).unwrap()
}

#[test]
fn sizes_beyond_the_machine_are_refused() {
    let most = usize::MAX;
    for spec in [
        CharLm { V: most, ..SPEC },
        CharLm {
            H: most / 2,
            ..SPEC
        },
        CharLm {
            E: 1 << 40,
            H: 1 << 40,
            ..SPEC
        },
    ] {
        fails(spec.compile(Options::default()), &["CharLm"]);
        fails(CharLmParams::init(&spec, 1), &[]);
        fails(CharLmParams::zeros(&spec), &[]);
    }
    // A model without units has nothing to say, and says it.
    let none = CharLm { H: 0, E: 0, ..SPEC };
    if let Ok(model) = none.compile(Options::default()) {
        let params = CharLmParams::init(&none, 1).unwrap();
        let now = tokens(3, 2);
        let out = model
            .forward(&params, CharLmInputs { now: now.view() })
            .unwrap();
        assert_eq!(out.logits.dim(), (3, 2, 7));
    }
    let limited = SPEC.compile(Options::default().memory_limit(10)).unwrap();
    let now = tokens(3, 2);
    let inputs = CharLmInputs { now: now.view() };
    fails(limited.forward(&params(), inputs), &["bytes", "10"]);
}

#[test]
fn batches_that_do_not_fit_are_named() {
    let (model, params) = (model(), params());
    let forward = |now: &Array2<u32>, lengths: &[usize]| {
        model.forward(&params, CharLmInputs { now: now.view() }.lengths(lengths))
    };
    fails(forward(&tokens(3, 0), &[]), &["example"]);
    fails(forward(&tokens(3, 2), &[1]), &["2 examples", "found 1"]);
    fails(forward(&tokens(3, 2), &[1, 4]), &["4", "3"]);
    let mut wrong = tokens(3, 2);
    wrong[[2, 1]] = 7;
    fails(forward(&wrong, &[3, 3]), &["now", "7"]);
    // No step at all is an empty answer.
    let none = forward(&tokens(0, 2), &[0, 0]).unwrap();
    assert_eq!(none.logits.dim(), (0, 2, 7));

    let (now, next) = (tokens(3, 2), tokens(4, 2));
    let inputs = || CharLmInputs { now: now.view() };
    let targets = || CharLmTargets { next: next.view() };
    fails(model.loss(&params, inputs(), targets()), &["next", "4"]);
    let others = CharLmParams::init(&CharLm { H: 5, ..SPEC }, 1).unwrap();
    fails(model.forward(&others, inputs()), &["W_y", "[7, 5]"]);
    let next = tokens(3, 2);
    let targets = || CharLmTargets { next: next.view() };
    let mut grads = others.clone();
    fails(
        model.loss_and_grad(&params, inputs(), targets(), &mut grads),
        &["gradients", "W_y"],
    );
    assert_eq!(grads, others, "they are as they were");
    let state = CharLmState::zeros(&SPEC, 3);
    fails(
        model.forward(&params, inputs().state(&state)),
        &["lstm.h", "3"],
    );
    let state = CharLmState::zeros(&SPEC, 2);
    fails(
        model.forward(&params, inputs().state(&state).fresh(&[true])),
        &["2", "1"],
    );
    fails(
        model.forward(&params, inputs().lengths_of("s", &[1, 1])),
        &["`s`", "t"],
    );
    // The rest of the model still works.
    model.forward(&params, inputs()).unwrap();
}

#[test]
fn numbers_that_are_not_finite_are_traced_to_where_they_are_given() {
    let model = FOLLOW.compile(Options::default()).unwrap();
    let params = FollowParams::init(&FOLLOW, 1).unwrap();
    let (mut x, y) = (
        Array3::<f32>::ones((4, 3, 2)),
        Array3::<f32>::zeros((4, 3, 2)),
    );
    x[[2, 1, 0]] = f32::NAN;
    let inputs = || FollowInputs { x: x.view() };
    let targets = || FollowTargets { y: y.view() };
    // Whoever asks for outputs gets what the equations say; the others are untouched.
    let out = model.forward(&params, inputs()).unwrap().o;
    assert!(out[[2, 1, 0]].is_nan() && out[[3, 0, 1]].is_finite() && out[[1, 1, 1]].is_finite());
    fails(
        model.loss(&params, inputs(), targets()),
        &["`x`", "example 1"],
    );
    // Past the end of its example nothing is read.
    let lengths = [4, 2, 4];
    let loss = model.loss(&params, inputs().lengths(&lengths), targets());
    assert!(loss.unwrap().is_finite());
    let mut bad = params.clone();
    bad.U[[1, 1]] = f32::INFINITY;
    let finite = Array3::<f32>::ones((4, 3, 2));
    let finite = FollowInputs { x: finite.view() };
    fails(model.loss(&bad, finite, targets()), &["`U`"]);
}

#[test]
fn settings_outside_their_range_are_refused_before_a_step() {
    for clip in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        for clip in [Clip::Norm(clip), Clip::Value(clip)] {
            fails(
                Trainer::new(model(), params(), Settings::default().clip(clip)),
                &["expected"],
            );
        }
    }
    fails(
        Trainer::new(model(), params(), Settings::default().accumulate(0)),
        &["at least 1"],
    );
    let others = CharLmParams::init(&CharLm { H: 5, ..SPEC }, 1).unwrap();
    fails(
        Trainer::new(model(), others.clone(), Settings::default()),
        &["W_y"],
    );
    let specs = CharLm { H: 5, ..SPEC }
        .compile(Options::default())
        .unwrap()
        .param_specs()
        .to_vec();
    let adam = Adam::new(&specs, AdamConfig::default()).unwrap();
    let made = Trainer::with_optimizer(model(), params(), adam, Settings::default());
    let (now, next) = (tokens(3, 2), tokens(3, 2));
    let mut step = made.unwrap();
    fails(
        step.step(
            CharLmInputs { now: now.view() },
            CharLmTargets { next: next.view() },
        ),
        &["W_y"],
    );
    assert_eq!(step.params(), &params());
    for rate in [f32::NAN, -1.0, f32::INFINITY] {
        let settings = Settings::default().rate(Rate::constant(rate));
        let mut trainer = Trainer::new(model(), params(), settings).unwrap();
        let inputs = CharLmInputs { now: now.view() };
        let targets = CharLmTargets { next: next.view() };
        fails(trainer.step(inputs, targets), &["learning rate"]);
        assert_eq!(trainer.params(), &params());
    }
}

/// A source without batches.
struct Nothing;

impl Source<CharLm> for Nothing {
    fn next(&mut self) -> Result<Option<TrainingBatch<'_, CharLm>>, SourceError> {
        Ok(None)
    }
    fn batches(&self) -> Option<u64> {
        Some(0)
    }
    fn cursor(&self) -> String {
        String::new()
    }
    fn resume(&mut self, _: &str) -> Result<(), SourceError> {
        Ok(())
    }
}

#[test]
fn runs_of_nothing_end() {
    let mut trainer = trainer();
    let outcome = trainer
        .fit(
            &mut source(),
            None,
            Run::epochs(0).observer(Progress::stderr(0)),
        )
        .unwrap();
    assert_eq!((outcome.epochs, outcome.steps), (0, 0));
    let mut seen = log::History::default();
    let run = Run::epochs(2).observer(&mut seen);
    let outcome = trainer.fit(&mut Nothing, Some(&mut Nothing), run).unwrap();
    assert_eq!((outcome.epochs, outcome.steps), (2, 0));
    assert!(seen.epochs[0].figure("loss").unwrap().is_nan());
    assert!(seen.epochs[0].figure("validation").unwrap().is_nan());
    // The page about it can be made.
    seen.html().unwrap();
    plot::curves_svg(&seen.panels()).unwrap();
    assert_eq!(trainer.evaluate(&mut Nothing).unwrap(), None);
    let watch = Settings::default().watch(Watch::lowest("accuracy"));
    let mut trainer = Trainer::new(model(), params(), watch).unwrap();
    fails(
        trainer.fit(&mut source(), None, Run::epochs(1)),
        &["`accuracy`", "`loss`"],
    );
}

/// Batches that someone made up.
struct Wild(Vec<Vec<usize>>);

impl Order for Wild {
    fn pass(&mut self, _: u64) -> Vec<Vec<usize>> {
        self.0.clone()
    }
    fn examples(&self) -> usize {
        3
    }
}

#[test]
fn orders_and_sources_that_make_no_sense_are_errors() {
    let gathered = || {
        Gathered::of::<CharLm>(
            3,
            |rows| Ok((tokens(4, rows.len()), vec![4; rows.len()])),
            |(now, lengths)| {
                (
                    CharLmInputs { now: now.view() }.lengths(lengths),
                    CharLmTargets { next: now.view() },
                )
            },
        )
    };
    let fit = |batches: Vec<Vec<usize>>| {
        let mut source = Ordered::new(gathered(), Wild(batches)).unwrap();
        trainer().fit(&mut source, None, Run::epochs(1))
    };
    fails(fit(vec![vec![0, 3]]), &["example 3", "one of 3"]);
    fails(fit(vec![vec![]]), &["step 1", "example"]);
    fit(vec![vec![2, 2, 2], vec![0]]).unwrap();
    fit(Vec::new()).unwrap();
    let order = Shuffled::new(LengthBatches::new(&[4; 5], 2).unwrap(), 1);
    fails(Ordered::new::<CharLm>(gathered(), order), &["3", "5"]);
    // A batch that continues one of another number of examples.
    let mut trainer = trainer();
    let (two, three) = (tokens(4, 2), tokens(4, 3));
    for (now, fits) in [(&two, true), (&three, false), (&three, true)] {
        let batch = Batch::new(CharLmInputs { now: now.view() });
        let batch = TrainingBatch::new(batch, CharLmTargets { next: now.view() }, 0);
        match trainer.learn(batch.continuing(!fits)) {
            Ok(_) => assert!(fits),
            Err(error) => assert!(!fits && error.to_string().contains('3'), "{error}"),
        }
    }
}

#[test]
fn files_that_are_no_checkpoints_are_refused_whole_or_cut_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut saved = trainer();
    let run = Run::epochs(1).checkpoints(Checkpoints::file(&path));
    saved.fit(&mut source(), None, run).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut trainer = trainer();
    let before = trainer.params().clone();
    let cut = folder.path().join("cut");
    for length in (0..whole.len())
        .step_by(97)
        .chain(whole.len() - 9..whole.len())
    {
        fs::write(&cut, &whole[..length]).unwrap();
        fails(trainer.resume(&cut, &mut source()), &["cut"]);
        assert_eq!(trainer.params(), &before, "cut at {length}");
    }
    fs::write(&cut, "not a checkpoint").unwrap();
    fails(trainer.resume(&cut, &mut source()), &["cut"]);
    fails(trainer.resume(folder.path(), &mut source()), &[]);
    fails(
        trainer.resume(folder.path().join("none"), &mut source()),
        &["none"],
    );
    // Parameters alone are no run.
    rnn::save_params(&cut, &before).unwrap();
    fails(
        trainer.resume(&cut, &mut source()),
        &["not saved by a trainer"],
    );
    // Another model, another optimiser, another source.
    let follow = FOLLOW.compile(Options::default()).unwrap();
    let other = FollowParams::init(&FOLLOW, 1).unwrap();
    let mut other = Trainer::new(follow, other, Settings::default()).unwrap();
    let mut none = Ordered::new(
        Gathered::of::<Follow>(
            1,
            |_| Ok(Array3::<f32>::zeros((2, 1, 2))),
            |x| {
                let (x, y) = (x.view(), x.view());
                (Batch::new(FollowInputs { x }), FollowTargets { y })
            },
        ),
        LengthBatches::new(&[2], 1).unwrap(),
    )
    .unwrap();
    fails(other.resume(&path, &mut none), &["`W`"]);
    let rms = OptimizerConfig::RmsProp(RmsPropConfig::default());
    let rms = rms.build(model().param_specs(), &[]).unwrap();
    let mut other = Trainer::with_optimizer(model(), params(), rms, Settings::default()).unwrap();
    fails(
        other.resume(&path, &mut source()),
        &["optimizer.adam", "optimizer.rmsprop"],
    );
    let text = (0..300_u32).map(|at| at % 7).collect();
    let text = ContinuousText::new(text, 4, 10).unwrap();
    let mut another = TextSource::new::<CharLm>(text, lay_out as LayOut);
    fails(trainer.resume(&path, &mut another), &["another text"]);
    assert_eq!(trainer.params(), &before);
    trainer.resume(&path, &mut source()).unwrap();
    assert_eq!(trainer.params(), saved.params());
}

#[test]
fn counts_that_no_run_reaches_do_not_overflow() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let settings = || {
        let plateau = Plateau::new(1e-2, 0.5, 2).unwrap();
        Settings::default()
            .rate(Rate::Plateau(plateau))
            .watch(Watch::lowest("loss"))
    };
    let trainer = || Trainer::new(model(), params(), settings()).unwrap();
    let mut saved = trainer();
    let run = Run::epochs(1).checkpoints(Checkpoints::file(&path));
    saved.fit(&mut source(), None, run).unwrap();
    let mut read = params();
    let whole = rnn::load(&path, &mut read).unwrap();
    let (most, cut) = (u64::MAX, folder.path().join("cut"));
    let mut changed = 0;
    for (key, text) in &whole.metadata {
        // Each number of it, in turn, is the largest there is.
        for (at, field) in text.split('/').enumerate() {
            if u64::from_str_radix(field, 16).is_err() {
                continue;
            }
            for largest in [format!("{most:x}"), most.to_string()] {
                let fields = text.split('/').enumerate();
                let fields = fields.map(|(own, text)| if own == at { &largest } else { text });
                let mut state = whole.clone();
                let text = fields.collect::<Vec<&str>>().join("/");
                state.metadata.insert(key.clone(), text);
                rnn::save(&cut, &read, &state).unwrap();
                let (mut trainer, mut source) = (trainer(), source());
                changed += 1;
                if trainer.resume(&cut, &mut source).is_ok() {
                    let epochs = trainer.epochs().saturating_add(2);
                    // Any end will do.
                    let _ = trainer.fit(&mut source, None, Run::epochs(epochs));
                }
            }
        }
    }
    assert!(changed > 20, "{changed}");
}

#[test]
fn an_order_with_another_seed_or_batch_is_another_order() {
    let ordered = |batch, seed, lengths: &[usize]| {
        let count = lengths.len();
        let gathered = Gathered::of::<CharLm>(
            count,
            |rows| Ok(tokens(4, rows.len())),
            |now| {
                let targets = CharLmTargets { next: now.view() };
                (Batch::new(CharLmInputs { now: now.view() }), targets)
            },
        );
        let order = Shuffled::new(LengthBatches::new(lengths, batch).unwrap(), seed);
        Ordered::new(gathered, order).unwrap()
    };
    let cursor = Source::<CharLm>::cursor(&ordered(2, 7, &[4; 9]));
    let resume = |batch, seed, lengths: &[usize]| {
        Source::<CharLm>::resume(&mut ordered(batch, seed, lengths), &cursor)
    };
    resume(2, 7, &[4; 9]).unwrap();
    fails(resume(3, 7, &[4; 9]), &["batch", "expected 3", "found 2"]);
    fails(resume(2, 8, &[4; 9]), &["seed", "expected 8", "found 7"]);
    fails(resume(2, 7, &[4; 8]), &["number of examples"]);
    fails(resume(2, 7, &[4, 4, 4, 4, 3, 4, 4, 4, 4]), &["lengths"]);
}

#[test]
fn nothing_is_generated_by_settings_without_a_meaning() {
    let (model, params) = (model(), params());
    let now = tokens(3, 2);
    let generate =
        |how: Generate| model.generate(&params, CharLmInputs { now: now.view() }, how.max_steps(5));
    fails(generate(Generate::beam(0)), &["beam"]);
    fails(
        generate(Generate::sampled().temperature(f32::NAN)),
        &["temperature"],
    );
    fails(
        generate(Generate::sampled().temperature(-1.0)),
        &["temperature"],
    );
    fails(generate(Generate::sampled().top_k(0)), &[]);
    fails(generate(Generate::beam(usize::MAX)), &["beam"]);
    fails(generate(Generate::greedy().stop(7)), &["7"]);
    generate(Generate::beam(1000)).unwrap();
    generate(Generate::sampled().top_k(1000)).unwrap();
    let none = tokens(0, 2);
    let empty = model.generate(
        &params,
        CharLmInputs { now: none.view() },
        Generate::greedy().max_steps(3),
    );
    fails(empty, &[]);
    let mut stream = model.stream_batch(&params, 2).unwrap();
    fails(stream.reset_row(2), &["2"]);
    let three = tokens(1, 3);
    fails(
        stream.step(CharLmInputs { now: three.view() }),
        &["now", "3"],
    );
    fails(model.stream_batch(&params, 0), &[]);
}

#[test]
fn logs_and_pictures_that_cannot_be_written_say_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let info = log::RunInfo::new("run");
    let run = |observer: Box<dyn rnn::train::Observer>| {
        trainer().fit(&mut source(), None, Run::epochs(1).observer(observer))
    };
    fails(
        run(Box::new(log::RunLog::new(&file, info))),
        &["file", "after step 0"],
    );
    fails(run(Box::new(log::CsvLog::new(&file))), &["file"]);
    fails(
        run(Box::new(rnn::tensorboard::TensorBoard::new(&file))),
        &["file"],
    );
    let saves = Run::epochs(1).checkpoints(Checkpoints::folder(&file));
    fails(trainer().fit(&mut source(), None, saves), &["file"]);
    fails(log::History::read(&file), &["file"]);
    fails(plot::curves(file.join("a.svg"), &[]), &["a.svg"]);
    let weights = ndarray::array![[1.0, f32::NAN]];
    fails(
        plot::matrix_svg("", &[], &[], weights.view()),
        &["0", "1", "2"],
    );
    // Numbers without a colour.
    let names = ["a", "b"].map(str::to_owned);
    fails(
        plot::matrix_svg("", &names[..1], &names, weights.view()),
        &["NaN"],
    );
}

#[test]
fn an_error_that_main_returns_is_printed_as_its_message() {
    let fails = || -> Result<(), Box<dyn std::error::Error>> {
        let mut params = FollowParams::init(&FOLLOW, 1)?;
        Ok(rnn::load_params(
            "no such folder/model.safetensors",
            &mut params,
        )?)
    };
    let printed = format!("Error: {:?}", fails().unwrap_err());
    let expected = "Error: cannot open `no such folder/model.safetensors`: ";
    assert!(printed.starts_with(expected), "{printed}");
}

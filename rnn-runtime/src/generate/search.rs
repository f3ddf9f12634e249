//! Which token comes next: the most likely one, a draw, or the best of all hypotheses.
//!
//! A beam keeps the `width` most likely hypotheses of each example. One that draws a stop token while it is among them is done,
//! and the search of an example ends when as many are done and nothing that is left can become better.
//!
//! **Invariant:** ties go to the earlier hypothesis, then to the lower token.

use std::cmp::Ordering;

use super::decoder::Decoder;
use super::{Generate, Generated, Hypothesis, Method};
use crate::error::GenerateError;
use crate::rng::{self, ChaCha8Rng};
use crate::sample::{Sampler, greedy};

pub(super) fn run(
    decoder: &mut Decoder<'_>,
    settings: &Generate,
) -> Result<Generated, GenerateError> {
    // A token that is never said ends nothing.
    let known = decoder.vocabulary();
    if let Some(token) = (settings.stop.iter()).find(|token| **token as usize >= known) {
        return Err(GenerateError::Setting {
            what: "a stop token",
            found: token.to_string(),
            expected: format!("less than {known}, the size of the vocabulary"),
        });
    }
    match settings.method {
        Method::Sample { temperature, top_k } => {
            let sampler = Sampler::new(decoder.vocabulary(), temperature, top_k)?;
            sample(decoder, settings, sampler)
        }
        Method::Beam { length_penalty, .. } => beam(decoder, settings, length_penalty),
    }
}

// `x - logsumexp(x)`
fn log_softmax(logits: &[f32], out: &mut Vec<f64>) -> Result<(), GenerateError> {
    let max = f64::from(logits[greedy(logits)? as usize]);
    let total: f64 = logits
        .iter()
        .map(|logit| (f64::from(*logit) - max).exp())
        .sum();
    let total = max + total.ln();
    out.clear();
    out.extend(logits.iter().map(|logit| f64::from(*logit) - total));
    Ok(())
}

fn empty() -> Hypothesis {
    Hypothesis {
        tokens: Vec::new(),
        log_probs: Vec::new(),
        score: 0.0,
        stopped: false,
    }
}

fn sample(
    decoder: &mut Decoder<'_>,
    settings: &Generate,
    mut sampler: Sampler,
) -> Result<Generated, GenerateError> {
    let order = decoder.order.clone();
    let mut rngs: Vec<ChaCha8Rng> = (order.iter())
        .map(|example| rng::stream(settings.seed, "generate", &example.to_string()))
        .collect();
    let mut found: Vec<Hypothesis> = order.iter().map(|_| empty()).collect();
    let mut last: Vec<u32> = order
        .iter()
        .map(|example| decoder.prompts[*example][0])
        .collect();
    let mut log_probs = Vec::new();
    let done = |found: &Hypothesis, most: usize| found.stopped || found.tokens.len() >= most;
    let mut step = 0;
    while (order.iter().zip(&found)).any(|(example, found)| !done(found, decoder.most[*example])) {
        decoder.step(&last)?;
        step += 1;
        for (row, example) in order.iter().enumerate() {
            if let Some(token) = decoder.prompts[*example].get(step) {
                last[row] = *token;
                continue;
            }
            let own = &mut found[row];
            if done(own, decoder.most[*example]) {
                continue;
            }
            let logits = decoder.logits(row);
            let token = sampler.draw(logits, &mut rngs[row])?;
            log_softmax(logits, &mut log_probs)?;
            own.tokens.push(token);
            own.log_probs.push(log_probs[token as usize]);
            own.stopped = settings.stop.contains(&token);
            last[row] = token;
        }
    }
    let mut hypotheses = vec![Vec::new(); order.len()];
    for (example, mut own) in order.into_iter().zip(found) {
        own.score = own.log_prob();
        hypotheses[example].push(own);
    }
    Ok(Generated { hypotheses })
}

/// A hypothesis that goes on.
#[derive(Clone)]
struct Live {
    tokens: Vec<u32>,
    log_probs: Vec<f64>,
    total: f64,
}

/// The search of one example.
struct Search {
    live: Vec<Live>,
    done: Vec<Hypothesis>,
    over: bool,
}

/// One more token for a hypothesis.
struct Candidate {
    total: f64,
    live: usize,
    token: u32,
    log_prob: f64,
}

fn beam(
    decoder: &mut Decoder<'_>,
    settings: &Generate,
    penalty: f64,
) -> Result<Generated, GenerateError> {
    let (order, width) = (decoder.order.clone(), decoder.width);
    let score = |total: f64, length: usize| total / (length.max(1) as f64).powf(penalty);
    let start = || Search {
        live: vec![Live {
            tokens: Vec::new(),
            log_probs: Vec::new(),
            total: 0.0,
        }],
        done: Vec::new(),
        over: false,
    };
    let mut searches: Vec<Search> = order.iter().map(|_| start()).collect();
    for (search, example) in searches.iter_mut().zip(&order) {
        search.over = decoder.most[*example] == 0;
    }
    let mut last = vec![0; decoder.rows()];
    for (rows, example) in last.chunks_exact_mut(width).zip(&order) {
        rows.fill(decoder.prompts[*example][0]);
    }
    let mut from: Vec<usize> = (0..decoder.rows()).collect();
    let mut log_probs = Vec::new();
    let mut step = 0;
    while searches.iter().any(|search| !search.over) {
        decoder.step(&last)?;
        step += 1;
        (from.iter_mut().enumerate()).for_each(|(row, from)| *from = row);
        for (group, example) in order.iter().enumerate() {
            let first = group * width;
            if let Some(token) = decoder.prompts[*example].get(step) {
                last[first..first + width].fill(*token);
                continue;
            }
            let search = &mut searches[group];
            if search.over {
                continue;
            }
            let mut candidates = Vec::new();
            for (at, live) in search.live.iter().enumerate() {
                log_softmax(decoder.logits(first + at), &mut log_probs)?;
                candidates.extend((0..).zip(&log_probs).map(|(token, log_prob)| Candidate {
                    total: live.total + log_prob,
                    live: at,
                    token,
                    log_prob: *log_prob,
                }));
            }
            let best = |a: &Candidate, b: &Candidate| -> Ordering {
                (b.total.total_cmp(&a.total))
                    .then(a.live.cmp(&b.live))
                    .then(a.token.cmp(&b.token))
            };
            // Each hypothesis may end with each of the stop tokens; enough that `width` others are left.
            let enough = width + search.live.len() * settings.stop.len();
            if enough < candidates.len() {
                candidates.select_nth_unstable_by(enough - 1, best);
                candidates.truncate(enough);
            }
            candidates.sort_unstable_by(best);
            let mut next = Vec::with_capacity(width);
            for (rank, candidate) in candidates.into_iter().enumerate() {
                let stopped = settings.stop.contains(&candidate.token);
                if next.len() == width || (stopped && rank >= width) {
                    continue;
                }
                let live = &search.live[candidate.live];
                let mut tokens = live.tokens.clone();
                tokens.push(candidate.token);
                let mut all = live.log_probs.clone();
                all.push(candidate.log_prob);
                if stopped {
                    search.done.push(Hypothesis {
                        score: score(candidate.total, tokens.len()),
                        tokens,
                        log_probs: all,
                        stopped: true,
                    });
                    continue;
                }
                from[first + next.len()] = first + candidate.live;
                last[first + next.len()] = candidate.token;
                next.push(Live {
                    tokens,
                    log_probs: all,
                    total: candidate.total,
                });
            }
            search.live = next;
            keep_best(&mut search.done, width);
            let most = decoder.most[*example];
            let steps = search.live.first().map_or(most, |live| live.tokens.len());
            // No token makes a hypothesis more likely, and the longest has the greatest divisor.
            let hope = (search.live.first()).map(|live| score(live.total, most));
            let full = search.done.len() == width;
            let settled = full && hope.is_none_or(|hope| search.done[width - 1].score >= hope);
            search.over = steps >= most || search.live.is_empty() || settled;
        }
        decoder.reorder(&from);
    }
    let mut hypotheses = vec![Vec::new(); order.len()];
    for (example, search) in order.into_iter().zip(searches) {
        let mut all = search.done;
        all.extend(search.live.into_iter().map(|live| Hypothesis {
            score: score(live.total, live.tokens.len()),
            tokens: live.tokens,
            log_probs: live.log_probs,
            stopped: false,
        }));
        keep_best(&mut all, width);
        hypotheses[example] = all;
    }
    Ok(Generated { hypotheses })
}

fn keep_best(all: &mut Vec<Hypothesis>, width: usize) {
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all.truncate(width);
}

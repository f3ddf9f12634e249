use super::*;
use crate::autodiff::{Wrt, differentiate};
use crate::axis::{Domain, Extent};
use crate::builder::Builder;
use crate::dim::Dim;
use crate::graph::ResultKind;
use crate::node::{Shape, Type};
use crate::op::{Init, ParamKind, Role};
use crate::random::draw::Per;
use crate::random::mode::{Mode, in_mode};
use crate::samples;
use crate::text::parse;
use crate::verify::verify;

#[test]
fn vanilla_reads_as_the_textbook_writes_it() {
    insta::assert_snapshot!(equations(&samples::vanilla()));
}

#[test]
fn samples_read_well() {
    let mut text = String::new();
    for (name, graph) in samples::all() {
        text.push_str(&format!("--- {name}\n{}\n", equations(&graph)));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn summaries() {
    let text = [samples::char_lm(), samples::attention()].map(|graph| summary(&graph).to_string());
    insta::assert_snapshot!(text.join("\n"));
}

fn differentiated(graph: Graph) -> Graph {
    let model = verify(graph).expect("valid");
    let gradient = differentiate(&model, &Wrt::params()).expect("differentiable");
    gradient.into_graph()
}

#[test]
fn backpropagation_through_time_reads_as_the_textbook_writes_it() {
    let mut text = String::new();
    for (name, graph) in [
        ("vanilla", samples::vanilla()),
        ("lstm", samples::lstm()),
        ("bidirectional", samples::bidirectional()),
        ("seq2seq", samples::seq2seq()),
    ] {
        let graph = differentiated(graph);
        text.push_str(&format!("--- {name}\n{}\n", equations(&graph)));
    }
    insta::assert_snapshot!(text);
}

fn printed(body: &str) -> String {
    let head = "model M<H>\naxis batch: 1..=B\naxis t: 1..=T\naxis k: 1..=4\n\
                %0 = input x : [batch, t] [H]\n%1 = param W ~ zeros : [] [H, H]\n%2 = param b ~ zeros : [] [H]\n";
    let graph = parse(&format!("{head}{body}")).expect("a graph");
    let graph = verify(graph).unwrap_or_else(|found| panic!("{}", found[0]));
    equations(&graph)
}

#[test]
fn parentheses_stand_where_they_are_needed() {
    let body = "%3 \"a\" = sub %2, %2 : [] [H]\n%4 = add %2, %3 : [] [H]\n%5 = mul %4, %2 : [] [H]\n\
                %6 \"p\" = mul %2, %5 : [] [H]\n%7 = sub %2, %3 : [] [H]\n%8 \"q\" = sub %2, %7 : [] [H]\n\
                %9 = div %2, %3 : [] [H]\n%10 \"r\" = mul %3, %9 : [] [H]\n%11 = matmul %1, %2 : [] [H]\n\
                %12 = matmul %1, %11 : [] [H]\n%13 = neg %12 : [] [H]\n%14 = neg %13 : [] [H]\n\
                %15 \"s\" = mul %14, %2 : [] [H]\n%16 = matmul %1, %1 : [] [H, H]\n\
                %17 = transpose %16 : [] [H, H]\n%18 \"u\" = matmul %17, %2 : [] [H]\n\
                %19 = neg %2 : [] [H]\n%20 \"v\" = add %3, %19 : [] [H]\n%21 = mul %2, %3 : [] [H]\n\
                %22 = matmul %1, %21 : [] [H]\n%23 \"w\" = mul %22, %2 : [] [H]\n\
                %24 = div %2, %2 : [] [H]\n%25 = div %3, %24 : [] [H]\n%26 \"y\" = neg %25 : [] [H]";
    assert_eq!(
        printed(body),
        "a = b - b\np = b * (b + a) * b\nq = b - (b - a)\nr = a * (b / a)\n\
         s = -(-W @ (W @ b)) * b\nu = (W @ W).T @ b\nv = a - b\nw = W @ (b * a) * b\ny = -(a / (b / b))\n"
    );
}

#[test]
fn rows_and_columns_times_a_vector_are_products_with_a_diagonal() {
    let body = "%3 = expand %2 at 1 to H : [] [H, H]\n%4 \"a\" = mul %3, %1 : [] [H, H]\n\
                %5 = expand %2 at 0 to H : [] [H, H]\n%6 = mul %1, %5 : [] [H, H]\n\
                %7 = expand %2 at 1 to H : [] [H, H]\n%8 = mul %6, %7 : [] [H, H]\n\
                %9 \"p\" = add %8, %1 : [] [H, H]\n%10 = add %1, %1 : [] [H, H]\n\
                %11 = expand %2 at 0 to H : [] [H, H]\n%12 \"q\" = mul %11, %10 : [] [H, H]";
    assert_eq!(
        printed(body),
        "a = diag(b) @ W\np = diag(b) @ (W @ diag(b)) + W\nq = (W + W) @ diag(b)\n"
    );
}

#[test]
fn a_shift_moves_the_indices_of_what_is_zero_outside() {
    let body = "%3 = matmul %1, %0 : [batch, t] [H]\n%4 \"y\" = shift t+1 %3 : [batch, t] [H]\n\
                %5 = add %0, %2 : [batch, t] [H]\n%6 \"z\" = shift t-1 %5 : [batch, t] [H]\n\
                %7 = shift t-1 %0 : [batch, t] [H]\n%8 \"u\" = shift t-1 %7 : [batch, t] [H]\n\
                %9 = tanh %7 : [batch, t] [H]\n%10 \"v\" = shift t+1 %9 : [batch, t] [H]\n\
                %11 = mul %9, %0 : [batch, t] [H]\n%12 \"w\" = shift t+1 %11 : [batch, t] [H]\n\
                %13 = broadcast[batch, t] %2 : [batch, t] [H]\n%14 \"p\" = shift t-1 %13 : [batch, t] [H]";
    assert_eq!(
        printed(body),
        "y[t] = W @ x[t+1]\ns1[t] = x[t] + b\nz[t] = s1[t-1]\nu[t] = x[t-2]\ns2[t] = tanh(x[t-1])\n\
         v[t] = s2[t+1]\nw[t] = s2[t+1] * x[t+1]\ns3[t] = b\np[t] = s3[t-1]\n"
    );
}

#[test]
fn boundaries_have_a_line_and_a_shift_that_differs_says_so() {
    let body = "%3 \"y\" = shift t-1 %0 else %2 : [batch, t] [H]\n%4 \"z\" = shift t-1 %0 : [batch, t] [H]\n\
                %5 = shift t-1 %0 else %2 : [batch, t] [H]\n%6 \"u\" = shift t-1 %5 else %2 : [batch, t] [H]\n\
                %7 \"v\" = at t=last %0 else %2 : [batch] [H]\n%8 \"p\" = at t=3 %5 : [batch] [H]\n\
                %9 = const 0 : [] [H]\n%10 \"q\" = shift t+1 %0 else %9 : [batch, t] [H]\n\
                %11 = add %0, %2 : [batch, t] [H]\n%12 \"r\" = shift t+1 %11 else %2 : [batch, t] [H]\n\
                %13 = add %4, %4 : [batch, t] [H]\n%14 = shift t-1 %0 : [batch, t] [H]\n\
                %15 \"w\" = mul %14, %13 : [batch, t] [H]";
    assert_eq!(
        printed(body),
        "x[-1] = b\nx[0] = b\ny[t] = x[t-1]\nz[t] = x[t-1] else 0\nu[t] = x[t-2]\nv = x[T]\np = x[2]\n\
         q[t] = x[t+1]\ns1[T+1] = b\ns1[t] = x[t] + b\nr[t] = s1[t+1]\n\
         w[t] = (x[t-1] else 0) * (z[t] + z[t])\n"
    );
}

#[test]
fn steps_and_ends_are_printed_by_their_axis() {
    let body = "%3 = step k : [k] []\n%4 \"a\" = at k=last %3 : [batch] []\n%5 = length k : [batch] []\n\
                %6 \"b2\" = mul %3, %5 : [batch, k] []\n%7 = shift k-1 %6 : [batch, k] []\n\
                %8 \"c\" = at k=last %7 : [batch] []\n%9 \"d\" = place k=first %4 : [batch, k] []\n\
                %10 = sum[k] %6 : [batch] []\n%11 \"e\" = sum[batch] %10 : [] []\n\
                %12 = argmax %0 : [batch, t] [] index\n%13 \"f\" = gather %1, %12 : [batch, t] [H]\n\
                %14 \"g\" = slice %1 at 1 from 1 take H - 2 : [] [H, H - 2]\n%15 = expand %4 at 0 to H : [batch] [H]\n\
                %16 \"h\" = matmul %1, %15 : [batch] [H]\n%17 \"i\" = mul %15, %2 : [batch] [H]";
    assert_eq!(
        printed(body),
        "a = 4\nb2[k] = k * 4\nc = b2[3]\nd[k] = [k = 1] a\ne = sum[batch](sum[k](b2[k]))\nf[t] = W[argmax(x[t])]\n\
         g = W{:, 1..H - 1}\nh = W @ repeat(a, H)\ni = a * b\n"
    );
}

#[test]
fn a_cycle_without_names_gets_one() {
    let body = "%3 = shift t-1 %5 : [batch, t] [H]\n%4 = matmul %1, %3 : [batch, t] [H]\n\
                %5 = add %4, %0 : [batch, t] [H]\n%6 \"y\" = tanh %5 : [batch, t] [H]";
    assert_eq!(
        printed(body),
        "s1[t] = W @ s1[t-1] + x[t]\ny[t] = tanh(s1[t])\n"
    );
    let body = "%3 = shift t-1 %4 : [batch, t] [H]\n%4 = shift t-1 %3 : [batch, t] [H]\n\
                %5 \"y\" = tanh %4 : [batch, t] [H]";
    assert_eq!(printed(body), "s1[t] = s1[t-2]\ny[t] = tanh(s1[t])\n");
}

#[test]
fn deep_expressions_are_cut_into_lines() {
    let mut body = String::new();
    for id in 3..20_000 {
        let x = if id == 3 { 0 } else { id - 1 };
        body.push_str(&format!("%{id} = tanh %{x} : [batch, t] [H]\n"));
    }
    body.push_str("output y = %19999\n");
    let text = printed(&body);
    assert_eq!(text.lines().count(), 488);
    assert!(text.lines().all(|line| line.len() < 300));
}

#[test]
fn draws_are_printed_by_their_names() {
    let mut b = Builder::new("Drawn");
    let t = b.axis("t", Extent::Length("T".into()));
    let ty = Type::real(Domain::BATCH.with(t), Shape::vector(Dim::constant(3)));
    let x = b.input("x", Role::Input, ty.clone()).unwrap();
    let init = Init {
        kind: "zeros".into(),
        args: Vec::new(),
    };
    let p = (b.param("p", Shape::scalar(), init.clone(), ParamKind::Fixed)).unwrap();
    let w = (b.param("w", ty.shape.clone(), init, ParamKind::Trained)).unwrap();
    let number = |b: &mut Builder, value| b.constant(value, Shape::scalar());
    let (fifth, tenth) = (number(&mut b, 0.2), number(&mut b, 0.1));
    let before = b.open_shift(&ty, t, -1, None).unwrap();
    let name = |b: &mut Builder, name: &str, value| b.name(value, name);
    let d = b.dropout(x, fifth, Per::Step).unwrap();
    let d = name(&mut b, "d", d);
    let k = b.dropout(before, p, Per::Sequence).unwrap();
    let k = name(&mut b, "k", k);
    let n = b.noise(d, tenth, Per::Step).unwrap();
    let n = b.mul(n, w).unwrap();
    let n = b.add(n, k).unwrap();
    let n = name(&mut b, "n", n);
    let h = b.zoneout(n, before, tenth, Per::Step).unwrap();
    let h = name(&mut b, "h", h);
    b.close(before, h).unwrap();
    let square = b.squared_error(h, x).unwrap();
    let loss = b.sum_over(square, t).unwrap();
    let loss = name(&mut b, "loss", loss);
    b.result(ResultKind::Loss, "loss", loss);
    let graph = verify(b.finish()).unwrap();
    let training = verify(in_mode(&graph, Mode::Training).unwrap()).unwrap();
    let gradient = differentiate(&training, &Wrt::params()).unwrap();
    insta::assert_snapshot!(format!("{}\n{}", equations(&graph), equations(&gradient)));
}

//! One layer, and two in both directions, of every kind.

use std::collections::BTreeMap;

use rnn::prelude::*;

use crate::case::{Case, view};
use crate::models::*;

macro_rules! agree {
    ($name:ident, $cell:literal, $case:literal, $model:ident, $params:ident,
     $inputs:ident { $($input:ident)* }, $targets:ident { $($target:ident)* }, { $($output:ident)* }) => {
        #[test]
        fn $name() {
            let case = Case::new($cell, $case);
            let spec = $model { I: 3, H: 4 };
            case.interpreted(spec);

            let model = spec.compile(Options::default().reduction(Reduction::Sum)).unwrap();
            let mut params = $params::zeros(&spec).unwrap();
            let mut grads = $params::zeros(&spec).unwrap();
            case.fill(&mut params);
            let (given, lengths) = (case.given(), case.fixture.lengths());
            let inputs = || $inputs { $($input: view(&given, stringify!($input))),* };
            let targets = || $targets { $($target: view(&given, stringify!($target))),* };
            let out = model.forward(&params, inputs().lengths(&lengths)).unwrap();
            let found = BTreeMap::from([$((stringify!($output), out.$output.into_dyn())),*]);
            case.outputs_agree(&found);
            let loss = model.loss(&params, inputs().lengths(&lengths), targets()).unwrap();
            let value = model
                .loss_and_grad(&params, inputs().lengths(&lengths), targets(), &mut grads)
                .unwrap();
            case.gradients_agree(loss, &grads);
            case.gradients_agree(value.loss, &grads);
        }
    };
}

agree!(rnn_agrees, "rnn", "uni1", RnnUni, RnnUniParams,
    RnnUniInputs { x h0 }, RnnUniTargets { cot_y cot_h }, { y h_n });
agree!(ragged_rnn_agrees, "rnn", "uni1_ragged", RnnUni, RnnUniParams,
    RnnUniInputs { x h0 }, RnnUniTargets { cot_y cot_h }, { y h_n });
agree!(gru_agrees, "gru", "uni1", GruUni, GruUniParams,
    GruUniInputs { x h0 }, GruUniTargets { cot_y cot_h }, { y h_n });
agree!(ragged_gru_agrees, "gru", "uni1_ragged", GruUni, GruUniParams,
    GruUniInputs { x h0 }, GruUniTargets { cot_y cot_h }, { y h_n });
agree!(lstm_agrees, "lstm", "uni1", LstmUni, LstmUniParams,
    LstmUniInputs { x h0 c0 }, LstmUniTargets { cot_y cot_h cot_c }, { y h_n c_n });
agree!(ragged_lstm_agrees, "lstm", "uni1_ragged", LstmUni, LstmUniParams,
    LstmUniInputs { x h0 c0 }, LstmUniTargets { cot_y cot_h cot_c }, { y h_n c_n });
agree!(ragged_rectified_rnn_agrees, "relu", "uni1_ragged", ReluUni, ReluUniParams,
    ReluUniInputs { x h0 }, ReluUniTargets { cot_y cot_h }, { y h_n });
agree!(ragged_projected_lstm_agrees, "lstmp", "uni1_ragged", ProjectedUni, ProjectedUniParams,
    ProjectedUniInputs { x h0 c0 }, ProjectedUniTargets { cot_y cot_h cot_c }, { y h_n c_n });
agree!(two_layers_of_rnn_in_both_directions_agree, "rnn", "bi2_ragged", RnnBi, RnnBiParams,
    RnnBiInputs { x hf1 hb1 hf2 hb2 }, RnnBiTargets { cot_y cot_h }, { y h_n });
agree!(two_layers_of_gru_in_both_directions_agree, "gru", "bi2_ragged", GruBi, GruBiParams,
    GruBiInputs { x hf1 hb1 hf2 hb2 }, GruBiTargets { cot_y cot_h }, { y h_n });
agree!(two_layers_of_lstm_in_both_directions_agree, "lstm", "bi2_ragged", LstmBi, LstmBiParams,
    LstmBiInputs { x hf1 hb1 hf2 hb2 cf1 cb1 cf2 cb2 },
    LstmBiTargets { cot_y cot_h cot_c }, { y h_n c_n });

#[test]
fn a_carried_state_is_an_initial_state() {
    let case = Case::new("lstm", "uni1_ragged");
    let spec = LstmCarried { I: 3, H: 4 };
    let model = spec
        .compile(Options::default().reduction(Reduction::Sum))
        .unwrap();
    let mut params = LstmCarriedParams::zeros(&spec).unwrap();
    let mut grads = params.clone();
    case.fill(&mut params);
    let (given, lengths) = (case.given(), case.fixture.lengths());
    let mut state = LstmCarriedState::zeros(&spec, 3);
    for name in ["h", "c"] {
        let start = &given[&format!("{name}0")];
        let place = state.tensor_mut(&format!("net.{name}"));
        place.unwrap().assign(start);
    }
    let inputs = || LstmCarriedInputs {
        x: view(&given, "x"),
    };
    let batch = || inputs().lengths(&lengths).state(&state);
    let targets = LstmCarriedTargets {
        cot_y: view(&given, "cot_y"),
        cot_h: view(&given, "cot_h"),
        cot_c: view(&given, "cot_c"),
    };

    let out = model.forward_with_state(&params, batch()).unwrap();
    let last = &out.state;
    assert_eq!(
        last.tensor("net.h").unwrap(),
        out.outputs.h_n.view().into_dyn()
    );
    assert_eq!(
        last.tensor("net.c").unwrap(),
        out.outputs.c_n.view().into_dyn()
    );
    case.outputs_agree(&BTreeMap::from([
        ("y", out.outputs.y.into_dyn()),
        ("h_n", out.outputs.h_n.into_dyn()),
        ("c_n", out.outputs.c_n.into_dyn()),
    ]));
    let value = model
        .loss_and_grad(&params, batch(), targets, &mut grads)
        .unwrap();
    case.gradients_agree(value.loss, &grads);
}

//! Errors of wrong models: one mistake each, the message and the underlined source as a snapshot.

use super::{CELLS, elaborate_text};

fn errors(source: &str) -> String {
    let (_, diagnostics) = elaborate_text(source);
    assert!(!diagnostics.is_empty(), "no error in\n{source}");
    diagnostics.underlined(source)
}

/// Remarks on a right source.
fn remarks(source: &str) -> String {
    let (graphs, diagnostics) = elaborate_text(source);
    assert!(
        !graphs.is_empty() && diagnostics.is_empty(),
        "{}",
        diagnostics.underlined(source)
    );
    diagnostics.underlined(source)
}

/// Errors of a model with sizes `V`, `E`, `H`, an axis `t`, inputs `x[t]: [E]`, `k[t]: token<V>` and a target
/// `y[t]: [H]`. The lines before `--` are declarations that this adds to.
fn in_model(statements: &str) -> String {
    errors(&format!(
        "model M<V, E, H> {{ time t in 1..=T; input x[t]: [E], k[t]: token<V>; target y[t]: [H];\n{statements}\n}}"
    ))
}

// One test per snapshot, and a list of them all.
macro_rules! snapshots {
    ($($show:ident { $($name:ident: $source:expr;)* })*) => {
        $($(
            #[test]
            fn $name() {
                insta::assert_snapshot!($show($source));
            }
        )*)*

        /// Makes every error that has a snapshot here.
        pub(crate) fn show_all() {
            $($($show($source);)*)*
        }
    };
}

snapshots! {
    in_model {
        members_that_a_family_has_not: "index l in 1..=2;\nparam W[l]: [E] = 0;\ng[0, t] = x[t];\ng[l, t] = W[l+1] * g[l-1, t];\nq[l, t] = where(l == 2, x[t], W[l+1] * x[t]);\na[t] = g[3, t] + W[0] + q[1, t];\noutput g, a;";
        parameter_that_is_no_family: "index l in 1..=2;\nparam W: [E] = 0;\ng[0, t] = x[t];\ng[l, t] = W[l-1] * g[l-1, t];\noutput g;";
        reduction_with_its_axis_as_an_argument: "h[t] = mean(x[t], t);\noutput h;";
        indices_in_another_order: "time j in 1..=J;\ninput z[t, j]: [E];\nh[t] = sum[j](z[j, t]);\noutput h;";
        names_that_are_unknown_several_times: "param W: [K, E] = 0;\nparam U: [K, K] = 0;\na[s] = x[s];\nb[s] = 2;\noutput a, b;";
        shape_without_its_colon: "param b [H] = 0;\noutput b;";
        one_parameter_twice: "param b: [H] = 0;\nparam b: [E] = 1;\noutput b;";
        neither_output_nor_loss: "h[t] = 2 * x[t];";
        product_that_meets_after_a_transposition: "param W: [H, E] = 0;\nparam U: [H, H] = 0;\nh[t] = (U @ W) @ h[t-1];\noutput h;";
        vectors_and_matrices_in_each_others_places: "param W: [H, E] = 0;\nh[t] = x[t].T;\na[t] = outer(W, x[t]);\nb[t] = argmax(3);\noutput a, b, h;";
        field_of_a_value: "param W: [H, E] = 0;\nh[t] = W.t @ x[t];\noutput h;";
        initialiser_by_its_name_elsewhere: "param W: [H, E] ~ xavier_normal;\nh[t] = W @ x[t];\noutput h;";
        start_that_is_no_token: "target z[t]: token<V>;\nparam E_z: [V, E] = 0;\nz[0] = 1.5;\nw[t] = feedback(z[t-1], argmax(l[t-1]));\nl[t] = E_z @ E_z[w[t]];\noutput l;\nloss mean[t](cross_entropy(l[t], z[t]));";
        a_fixed_axis_without_steps: "time s in 1..=0;\noutput x;";
        too_many_axes: &(0..40).map(|n| format!("time s{n} in 1..=S{n};\n")).collect::<String>();
        family_that_is_too_large: "index l in 1..=100000;\noutput x;";
        boundary_with_an_index_too_many: "h[t] = x[t] + h[t-1];\nh[0, 1] = 0;\noutput h;";
        boundary_of_no_member: "index l in 1..=2;\nh[l, t] = x[t] + h[l, t-1];\nh[t, 0] = 0;\nh[3, 0] = 1;\nh[1, t] = x[t];\noutput h;";
        corner_that_is_not_given: "time r in 1..=R;\ninput z[t, r]: [E];\ng[t, r] = z[t, r] + g[t-1, r-1];\ng[0, r] = 1;\ng[t, 0] = 2;\noutput g;";
        corner_of_a_recurrence_outside: "time r in 1..=R;\ninput z[t, r]: [E];\ng[t, r] = z[t, r] + g[t-1, r] + g[t, r-1];\ng[0, r] = g[0, r-1] + 1;\ng[t, 0] = 2;\noutput g;";
        corner_that_is_read_by_its_place: "time r in 1..=R;\ninput z[t, r]: [E];\ng[t, r] = z[t, r] + g[t-1, r] + g[t, r-1];\ng[0, r] = 1;\ng[t, 0] = 2;\ns[t] = x[t] + g[0, 0];\noutput g, s;";
        corner_of_examples_without_steps: "time r in 1..=R;\ninput z[t, r]: [E];\ng[t, r] = z[t, r] + g[t-1, r] + g[t, r-1];\ng[0, r] = 1;\ng[t, 0] = 2;\ns[t] = x[t] + g[T, R];\noutput g, s;";
        operand_with_a_name: "h[t] = relu(x = x[t]) + dropout(x[t], rate = 0.5);\nc = sum[t](x = x[t]);\nu[t] = slice(x[t], 0, E, 2);\noutput h, c, u;";
        corner_that_nothing_reads: "time r in 1..=R;\ninput z[t, r]: [E];\ng[t, r] = z[t, r] + g[t-1, r] + g[t, r-1];\ng[0, 0] = 1;\noutput g;";
        two_equations_of_one_corner: "time r in 1..=R;\ninput z[t, r]: [E];\ng[t, r] = z[t, r] + g[t-1, r-1];\ng[0, 0] = 1;\ng[0, r] = 2;\ng[0, 0] = 3;\noutput g;";
        one_index_twice: "g[t, t] = x[t];\noutput x;";
        name_that_every_model_has: "state[t] = x[t];\noutput state;";
        too_many_equations: "index a in 1..=100; index b in 1..=100;\ng[a, b, t] = x[t];\noutput g;";
        two_names_that_meet_in_the_graph: "index l in 1..=2;\nparam W[l]: [E] = 0;\nparam W_1: [E] = 0;\nh[t] = x[t] + W[1] + W[2] + W_1;\noutput h;";
        input_over_a_family: "index l in 1..=2;\ninput z[l]: [E];\noutput x;";
        recurrence_of_a_matrix_guessed_as_a_vector: "param A: [H, H] = 0; param v: [H] = 1;\nM[t] = A @ M[t-1] + K[t-1];\nK[t] = outer(v, v) + 0.5 * K[t-1];\noutput M;";
        tokens_in_the_place_of_one: "param W: [V, E] = 0; param E_k: [E, H] = 0; param v: [V] = 0;\na[t] = argmax(W + x[t]);\nb[t] = E_k[a[t]]; c[t] = one_hot(a[t], E); d[t] = a[t] + v; e[t] = where(a[t] == x[t], 1, 0) + a[t, k[t]];\noutput b, c, d, e;";
        token_that_is_too_large: "param E_k: [V, E] = 0;\nh[t] = x[t] + E_k[4294967296];\noutput h;";
        token_beside_a_number: "h[t] = where(k[t] == 0.5, 1, 2) * x[t];\noutput h;";
        slice_without_its_length: "h[t] = slice(x[t], 1);\noutput h;";
        family_without_its_index: "index l in 1..=2;\nparam W[l]: [] = 0;\nc[t] = softmax[l](W[l]) * x[t] + l;\noutput c;";
        size_with_an_index: "h[t] = x[t] * E[t];\noutput h;";
        step_far_from_the_end: "y_1 = x[T-100];\noutput y_1;";
        size_that_is_too_large: "param W: [4000000000 * 4000000000] = 0;\noutput x;";
        constant_that_is_not_finite: "param b: [E] = 1/0;\nh[t] = x[t] + b;\noutput h;";
        initialiser_with_an_argument_too_many: "param b: [E] ~ normal(0, 1, 2);\nh[t] = x[t] + b;\noutput h;";
        name_that_is_another_letter_case: "output H, h;\nlogits[t] = x[t];\noutput logit;";
        branches_of_two_shapes: "param v: [H] = 1;\nh[t] = where(x[t] > 0, x[t], v) + [x[t], v, outer(v, v)];\noutput h;";
        functions_by_their_names_elsewhere: "d[t] = norm(cat(x[t], x[t]));\none = ones(E); i = eye(E); p[t] = detach(round(x[t])); r[t] = cumsum(x[t]); q[t] = roll(x[t], 1);\noutput d;\nloss mse(d[T], 0);";
        unknown_name: "param W_x: [H, E] = 0;\nh[t] = tanh(W_y @ x[t]) + tahn(h[t-1]) + q;\noutput h;";
        two_definitions: "h[t] = x[t];\nparam h: [E] = 0;\nx[t] = h[t];\noutput h;";
        two_equations_of_one_boundary: "h[t] = x[t] + h[t-1];\nh[0] = 0;\nh[0] = 1;\noutput h;";
        name_of_a_function: "max[t] = x[t];\noutput max;";
        size_mismatch_of_a_product: "param W: [H, H] = 0;\nh[t] = tanh(W @ x[t]);\noutput h;";
        transposed_weight: "param W: [E, H] = 0;\nh[t] = tanh(W @ x[t]);\noutput h;";
        vector_of_one_as_a_number: "h[t] = slice(x[t], 0, 1) * x[t] + min(x[t]) + sum(outer(x[t], x[t]), 0);\noutput h;";
        size_mismatch_of_a_sum: "param b: [H] = 0;\nh[t] = x[t] + b;\noutput h;";
        matrix_times_vector_with_a_star: "param W: [H, E] = 0;\nh[t] = W * x[t];\noutput h;";
        size_mismatch_in_a_recurrence: "param W: [H, E] = 0;\nparam U: [H, E] = 0;\nh[t] = tanh(W @ x[t] + U @ h[t-1]);\noutput h;";
        recurrence_of_another_shape: "param W: [H, E] = 0;\nh[t] = x[t] * h[t-1];\nh[0] = W @ x[1];\noutput h;";
        shape_that_does_not_follow: "param A: [H, H] = 0;\nM[t] = M[t-1] @ A;\ng[t] = exp([g[t-1], x[t]]);\noutput M, g;";
        shape_that_is_unknown_for_a_reason: "s[t] = s[t-1] + q;\nr[t] = r[t-1] + s[t-1];\noutput s, r;";
        operands_that_do_not_agree_in_a_recurrence: "param W: [H, E] = 0; param U: [H, H] = 0; param b: [E] = 0;\nh[t] = tanh(W @ x[t] + U @ h[t-1] + b);\ng[t] = U @ x[t] + g[t-1];\noutput h, g;";
        several_reads_over_one_missing_axis: "c = x[t] * x[t] + exp(x[t]);\noutput c;";
        target_that_leaks_from_afar: "param W: [H, E] = 0;\ne[t] = W @ x[t] - y[t];\nh[t] = 0.5 * h[t-1] + e[t];\noutput h;";
        arguments_of_an_unknown_function: "h[t] = sigmod(q * foo(x[t]));\noutput h;";
        declared_shape_is_wrong: "param W: [H, E] = 0;\nh[t]: [E] = W @ x[t];\noutput h;";
        three_feature_axes: "param W: [H, H, E] = 0;\noutput x;";
        size_with_the_index_of_another_family: "index l in 1..=2;\nparam W: [l*H, E] = 0;\nh[t] = W @ x[t];\noutput h;";
        families_that_cannot_be_joined: "index l in 1..=2;\nh[l, t] = x[t];\na[t] = concat(h[1, t]);\nb[t] = concat[t](x[t]);\noutput a, b, h;";
        unknown_size: "param W: [h, K] = 0;\nparam b: [T] = 0;\noutput x;";
        size_of_nothing: "param W: [H - H] = 0;\nparam b: [0] = 0;\noutput x;";
        missing_index: "h[t] = x + 1;\noutput h;";
        index_too_many: "param b: [E] = 0;\nh[t] = x[t] + b[t];\ng[t] = x[t, 1];\noutput h, g;";
        unknown_axis: "h[s] = x[t];\ninput z[u]: [E];\noutput h;";
        axis_that_is_not_on_the_left: "c = 2 * x[t];\noutput c;";
        index_of_another_axis: "time j in 1..=S;\ninput m[j]: [E];\nh[t] = x[j] + m[S] + m[T];\noutput h;";
        index_that_is_no_step: "h[t] = x[2*t] + x[k[t]] + x[t-100];\noutput h;";
        equation_at_an_offset: "h[t+1] = x[t];\noutput h;";
        equation_inside_the_axis: "h[t] = x[t] + h[t-1];\nh[1] = x[1];\noutput h;";
        boundary_without_an_equation: "h[0] = 0;\noutput x;";
        boundary_that_is_never_read: "h[t] = x[t];\nh[0] = 0;\noutput h;";
        boundary_of_another_shape: "param v: [H] = 0;\nh[t] = x[t] + h[t-1];\nh[0] = v;\noutput h;";
        cycle_without_delay: "h[t] = tanh(o[t]);\no[t] = h[t] + p[t];\np[t] = x[t] * o[t];\noutput h;";
        cycle_of_one_equation: "h[t] = x[t] + h[t];\noutput h;";
        past_and_future: "h[t] = x[t] + h[t-1] + h[t+1];\noutput h;";
        past_and_future_of_two_equations: "f[t] = x[t] + b[t-1];\nb[t] = x[t] + f[t+1];\noutput f;";
        whole_axis_inside_its_own_loop: "h[t] = x[t] + s[t-1];\ns[t] = h[T] + x[t];\noutput h;";
        sum_inside_its_own_cycle: "h[t] = x[t] + c;\nc = sum[t](h[t]);\noutput h;";
        loss_that_is_a_vector: "loss sum[t](x[t] - x[t]);";
        loss_over_time: "param w: [E] = 0;\nloss w @ x[t];";
        loss_of_each_step: "param w: [E] = 0;\nl[t] = w @ x[t];\nloss l;";
        two_losses: "param w: [E] = 0;\nloss w @ x[T];\nloss w @ x[1];";
        loss_without_parameters: "param W: [H, E] = 0;\nz[t] = W @ x[t];\noutput z;\nloss mean[t](sum(x[t]));";
        loss_behind_argmax: "param W: [V, E] = 0; param w: [V] = 0;\nz[t] = argmax(W @ x[t]);\noutput z;\nloss mean[t](w[z[t]]);";
        loss_without_any_derivative: "param W: [V, E] = 0;\nloss mean[t](stop_gradient(sum(W @ x[t])));";
        target_that_leaks: "param W: [H, E] = 0;\nh[t] = W @ x[t] + y[t];\noutput h;";
        parameter_never_used: "param W: [H, E] = 0;\nfixed v: [H] = 1;\noutput x;";
        token_as_a_number: "h[t] = x[t] * k[t];\noutput h;";
        number_as_a_row: "param E_k: [V, E] = 0;\nh[t] = E_k[x[t]];\noutput h;";
        table_of_another_vocabulary: "param E_k: [H, E] = 0; param W: [H, E] = 0;\nh[t] = E_k[k[t]];\noutput h;\nloss mean[t](cross_entropy(W @ x[t], k[t]));";
        unknown_function: "h[t] = sigmod(x[t]) + foo(x[t]) + x(3);\noutput h;";
        wrong_number_of_operands: "h[t] = where(x[t], 1) + tanh(x[t], x[t]) + pow(x[t]) + softmax[t](x[t], 2);\noutput h;";
        unknown_option: "h[t] = leaky_relu(x[t], slop = 0.1) + leaky_relu(x[t], x[t]);\noutput h;";
        function_along_an_axis: "h[t] = tanh[t](x[t]) + sum[s](x[t]) + sum[t+1](x[t]);\noutput h;";
        nothing_to_reduce: "param w: [E] = 0;\nc = sum[t](w);\noutput c;";
        softmax_without_its_axis: "param w: [E] = 0;\nc = softmax[t](w @ x[t]);\noutput c;";
        reduced_scalar: "param a: [] = 0;\nh[t] = a * sum(mean(x[t]));\noutput h;";
        transposed_vector: "h[t] = x[t].T;\noutput h;";
        concatenated_shapes: "param W: [H, E] = 0;\nh[t] = [x[t], W];\noutput h;";
        slice_past_the_end: "h[t] = slice(x[t], 1, E) + slice(x[t], x[t], 2);\noutput h;";
        probability_out_of_range: "d[t] = dropout(x[t], 1.0);\nz[t] = zoneout(d[t], x[t], p = -0.1);\noutput z;";
        deviation_that_is_negative: "h[t] = noise(x[t], -1);\noutput h;";
        mask_of_an_unknown_period: "d[t] = dropout(x[t], 0.5, per = sequense);\nz[t] = zoneout(d[t], x[t], 0.5, per = batch);\noutput z;";
        dropout_without_a_probability: "d[t] = dropout(x[t]);\nz[t] = dropout(x[t], rate = 0.5);\noutput z, d;";
        probability_that_is_a_vector: "d[t] = dropout(x[t], x[t]);\noutput d;";
        zoneout_of_two_shapes: "param v: [H] = 1;\nz[t] = zoneout(x[t], v, 0.5);\noutput z;";
        zoneout_of_a_vector_and_a_matrix: "z[t] = zoneout(outer(x[t], x[t]), x[t], 0.5, per = sequence);\noutput z;";
        statistics_that_are_trained: "param m: [E] = 0; running v: [E] = 1;\nz[t] = batch_norm(x[t], m, v);\noutput z;";
        statistics_that_are_no_parameters: "running v: [E] = 1;\nz[t] = batch_norm(x[t], 0, v) + batch_norm(x[t], x[t], v);\noutput z;";
        statistics_of_another_shape: "running m: [E] = 0; running v: [H] = 1;\nz[t] = batch_norm(x[t], m, v);\noutput z;";
        statistics_of_two_values: "running m: [E] = 0; running v: [E] = 1;\nz[t] = batch_norm(x[t], m, v) + batch_norm(2 * x[t], m, v);\noutput z;";
        statistics_of_what_is_the_same_for_all_examples: "param w: [E] = 0; running m: [E] = 0; running v: [E] = 1;\nz = batch_norm(w, m, v);\nh[t] = z + x[t];\noutput h;";
        statistics_that_nothing_brings_on: "running m: [E] = 0;\nh[t] = x[t] - m;\noutput h;";
        statistics_over_all_steps_inside_their_loop: "running m: [E] = 0; running v: [E] = 1;\nh[t] = x[t] + batch_norm(h[t-1], m, v, per = sequence);\noutput h;";
        rows_of_a_whole_sequence: "running m: [4, E] = 0; running v: [4, E] = 1;\nz[t] = batch_norm(x[t], m, v, per = sequence);\noutput z;";
        rows_of_two_numbers: "running m: [4, E] = 0; running v: [5, E] = 1;\nz[t] = batch_norm(x[t], m, v);\noutput z;";
        settings_of_a_batch_normalisation: "running m: [E] = 0; running v: [E] = 1;\nz[t] = batch_norm(x[t], m, v, momentum = 0);\ny2[t] = batch_norm(x[t], m, v, epsilon = -1);\nu[t] = batch_norm(x[t], m);\nw[t] = batch_norm(x[t], m, v, per = batch);\nq[t] = batchnorm(x[t]);\noutput z;";
        smoothing_out_of_range: "param W: [V, E] = 0;\nloss mean[t](cross_entropy(W @ x[t], k[t], smoothing = 1) + cross_entropy(W @ x[t], k[t], -0.1));";
        functions_that_draw_by_other_names: "d[t] = dropuot(x[t], 0.5);\nw[t] = gaussian_noise(x[t], 0.5);\noutput d, w;";
        output_of_nothing: "output h, x[t], T;\noutput x, x;";
        unknown_initialiser: "param W: [H, E] ~ glorot;\nparam U: [H, E] ~ normal(0);\nparam v: [E] ~ orthogonal;\nparam b: [E] = H;\nh[t] = W @ x[t] + U @ (v + b);\noutput h;";
        feedback_of_what_is_no_target: "g[t] = feedback(x[t-1], h[t-1]);\nh[t] = 0.5 * g[t];\noutput h;";
        feedback_of_the_step_itself: "g[t] = feedback(y[t], h[t-1]);\nparam W: [H, H] = 0;\nh[t] = W @ g[t];\noutput h;";
        feedback_of_an_own_value_without_delay: "param W: [H, H] = 0;\ng[t] = feedback(y[t-1], h[t]);\nh[t] = W @ g[t];\noutput h;";
        feedback_of_an_own_value_that_is_nearer: "param W: [H, H] = 0;\ng[t] = feedback(y[t-2], h[t-1] + h[t-3]);\nh[t] = W @ g[t];\noutput h;";
        feedback_without_a_start_token: "target z[t]: token<V>;\nparam E_z: [V, E] = 0; param W: [V, E] = 0;\ng[t] = feedback(z[t-1], argmax(h[t-1]));\nh[t] = W @ E_z[g[t]];\noutput h;";
        feedback_of_logits: "target z[t]: token<V>;\nz[0] = 1;\nparam E_z: [V, E] = 0; param W: [V, E] = 0;\ng[t] = feedback(z[t-1], h[t-1]);\nh[t] = W @ E_z[g[t]];\noutput h;";
        feedback_of_another_shape: "param W: [E, H] = 0;\ng[t] = feedback(y[t-1], h[t-1]);\nh[t] = W @ g[t];\noutput h;";
        feedback_over_another_axis: "time j in 1..=J;\ninput m[j]: [H];\ng[t] = feedback(y[t-1], h[t-1] + m[j]);\nh[t] = 0.5 * g[t];\noutput h;";
        feedback_that_leaks: "param W: [H, H] = 0;\ng[t] = feedback(y[t-1], h[t-1] + y[t-1]);\nh[t] = W @ g[t];\noutput h;";
        target_as_a_recurrent_input: "param W: [H, H] = 0;\nh[t] = W @ y[t-1];\noutput h;";
        parameter_over_time: "param W[t]: [H] = 0;\nparam U[j]: [H] = 0;\noutput x;";
        matrices_of_diagonals: "param W: [H, E] = 0; param v: [H] = 0;\na[t] = diag(x[t]) @ W;\nb[t] = W @ diag(v);\nc[t] = diag(W) @ W + diag(v);\nd[t] = diag(v) @ x[t];\ne[t] = v * W; f[t] = W * x[t]; g[t] = diag(W @ x[t]) @ g[t-1] + normalize(v);\noutput a, b, c, d, e, f, g;";
        orthonormal_of_another_start: "orthonormal U: [H, E] = 0; orthonormal R: [H, E] ~ orthogonal(2.0); orthonormal S: [H, E] ~ glorot_uniform;\nh[t] = (U + R + S) @ x[t];\noutput h;";
        orthonormal_vector: "orthonormal v: [E];\nh[t] = v * x[t];\noutput h;";
        family_without_a_number: "index l in 1..=H;\nindex m in 1..=0;\noutput x;";
        member_without_a_value: "index l in 1..=3;\nparam W[l]: [E] = 0;\nh[t] = x[t] + W[l] + W[t];\noutput h;";
        length_of_two_axes: "time j in 1..=T;\ntime s in 1..=E;\ntime r in 1..=2*T;\noutput x;";
    }
    remarks {
        dropout_of_a_state: "cell A<I>(x: [I]) -> h: [I] { h[t] = tanh(x[t] + dropout(h[t-1], 0.5)); }\nmodel M<I> { time t in 1..=T; input x[t]: [I]; layer a = A<I>;\nparam W: [I, 2*I] = 0.1;\ny[t] = dropout(tanh(a(x[t]) + y[t-1]), 0.5);\nz[t] = tanh(W @ dropout([x[t], z[t-1]], 0.5));\nb[t] = x[t] + b[t+1]; u[t] = dropout(x[t-1], 0.5) + dropout(y[t-1], 0.5) + dropout(b[t], 0.1);\nv[t] = tanh(dropout(v[t-1], 0.5, per = sequence) + dropout(x[t], 0.5) + dropout(v[t-1], 0));\noutput y, z, u, v; }";
    }
    errors {
        size_that_nothing_has: "cell A<I, K, _G>(x: [I]) -> h: [I] { h[t] = x[t]; }\nmodel M<I, V> { time t in 1..=T; input x[t]: [I];\nlayer a = A<I, 2, 3>; y[t] = a(x[t]); output y; }\nmodel N<I, V> { time t in 1..=T; input x[t]: [I];\ny[t] = x[t]; output y; }";
        input_that_nothing_reads: "cell A<I>(x: [I], m: [I], _n: [I]) -> h: [I] { h[t] = x[t]; }\nmodel M<I> { time t in 1..=T; time s in 1..=S; input x[t]: [I], z[t]: [I], p[s]: [], _q: []; target y[t]: [I];\noutput x; }";
        layer_that_is_added_to_another_size: "cell A<I, H>(x: [I]) -> h: [H] { param W: [H, I] = 0; h[t] = W @ x[t]; }\ncell B<I>(x: [I]) -> h: [I, I] { h[t] = outer(x[t], x[t]); }\nmodel M<I, H> { time t in 1..=T; input x[t]: [I];\nlayer a = stack(2, residual(A<I, H>)); layer b = residual(bi(A<I, I>)); layer c = residual(residual(stack(2, A<I, H>)));\nlayer d = residual(B<I>);\nu[t] = a(2 * x[t]); v[t] = b(x[t]); w[t] = c(x[t]); y[t] = d(x[t]); output u, v, w, y; }";
        layer_as_an_output: "cell A<I>(x: [I]) -> s: [I] { s[t] = x[t]; }\nmodel M<I> { time t in 1..=T; input x[t]: [I]; layer c = bi(A<I>); layer d = stack(2, A<I>); layer e = A<I>;\ny[t] = c(x[t]) + c(x[t]); z[t] = d(x[t]) + d.s[t] + e(x[t]);\noutput c, d, e, y, z; }";
        unknown_cell: "cell Elman<I>(x: [I]) -> h: [I] { h[t] = x[t]; }\nmodel M<I> { layer a = Elmann<I>; layer b = Elman<I, I>; layer c = Elman<J>; }";
        cell_that_contains_itself: "cell A<I>(x: [I]) -> h: [I] { layer a = A<I>; h[t] = a(x[t]); }";
        cell_without_its_output: "cell A<I>(x: [I]) -> h: [I] { g[t] = x[t]; }";
        cell_with_model_statements: "cell A<I>(x: [I]) -> h: [I] { time s in 1..=S; input z: [I]; output h; h[t] = x[t] + z; loss 0; }";
        cell_with_an_output_of_another_shape: "cell A<I, H>(x: [I]) -> h: [H] { h[t] = x[t]; }";
        error_inside_a_cell_is_reported_once: "cell A<I, H>(x: [I]) -> h: [H] { param W: [H, H] = 0; h[t] = W @ x[t]; }\nmodel M<I> { time t in 1..=T; input x[t]: [I]; layer a = A<I, I>; layer b = A<I, I>; y[t] = a(x[t]) + b(x[t]); output y; }";
        cell_that_runs_along_no_axis: "cell A<I>(x: [I]) -> h: [I] { h[t] = x[t] + h[t-1]; }\nmodel M<I> { time t in 1..=T; input x[t]: [I]; layer a = A<I>; y = a(x[T]); output y; }";
        cell_that_runs_along_two_axes: "cell A<I>(x: [I]) -> h: [I] { h[t] = x[t]; }\nmodel M<I> { time r in 1..=R; time c in 1..=C; input x[r, c]: [I]; layer a = A<I>; y[r, c] = a(x[r, c]); output y; }";
        layer_in_the_wrong_place: "cell A<I>(x: [I]) -> h: [I] { h[t] = x[t]; }\nmodel M<I> { time t in 1..=T; input x[t]: [I];\nlayer a = A<I>; layer b = A<I>; layer c = A<I>; layer d = bi(A<I>); layer e = A<I>;\ny[t] = a(x[t]) + a(x[t]) + b + c(x[t], x[t]);\nz[t] = d(x[t]) + d.h[t] + d.back.h[t] + e.h[t] + a.q[t] + a.h.x[t];\noutput y, z, b; }";
        layer_input_of_another_shape: "cell A<I>(x: [I]) -> h: [I] { h[t] = x[t]; }\nmodel M<I, H> { time t in 1..=T; input x[t]: [I];\nlayer a = A<H>;\ny[t] = a(x[t]); output y; }";
        boundary_of_a_cell: "cell A<I>(x: [I]) -> h: [I] { h[t] = x[t] + h[t-1]; }\nmodel M<I> { time t in 1..=T; input x[t]: [I];\nlayer a = A<I>; y[t] = a(x[t]);\na.h[t] = x[t];\na.x[0] = x[1];\na.h[1] = x[1]; output y; }";
        memory_that_is_no_sequence: "cell A<I>(x: [I], m[j]: [I]) -> h: [I] { h[t] = x[t] + m[1]; }\nmodel M<I> { time t in 1..=T; input x[t]: [I], v: [I];\nlayer a = A<I>; y[t] = a(x[t], v); output y; }";
        output_of_another_shape_than_promised: "cell A<I, H>(x: [I]) -> h: [H] { h[t]: [I] = x[t]; }";
        boundary_without_an_axis: "cell A<I>(x: [I]) -> h: [I] { h[t] = x[t] * t + h[t-1]; h[0] = 1; }\nmodel M<I> { time t in 1..=T; input x[t]: [I]; layer a = A<I>; y = a(x[T]); output y; }";
        sum_without_an_axis: "cell A<I>(x: [I]) -> h: [I] { h[t] = sum[t](x[t]); }\nmodel M<I> { time t in 1..=T; input x[t]: [I]; layer a = A<I>; y = a(x[T]); output y; }";
        tokens_of_another_kind: "cell A<V>(k: token<V>) -> h: [V] { h[t] = one_hot(k[t], V); }\nmodel M<V, I> { time t in 1..=T; input k[t]: token<I>, x[t]: [V];\nlayer a = A<V>; layer b = A<V>;\ny[t] = a(k[t]) + b(x[t]); output y; }";
        members_of_a_family_of_layers: "cell A<I>(x: [I]) -> h: [I] { h[t] = x[t]; }\nmodel M<I> { time t in 1..=T; input x[t]: [I]; index l in 1..=2; layer a[l] = A<I>; layer b[l] = A<I>; layer c[l] = A<I>;\nu[t] = a[3](x[t]);\nv[t] = b(x[t]);\nw[t] = c[t](x[t]);\nz[t] = a.h[3, t];\noutput u, v, w, z; }";
        layer_called_by_the_names_of_its_inputs: "cell A<I>(x: [I]) -> h: [I] { h[t] = x[t]; }\nmodel M<I> { time t in 1..=T; input x[t]: [I]; layer a = A<I>; layer d = bi(A<I>);\ny[t] = a(x = x[t]);\nu[t] = d(x[t]) + d.forward(x[t]) + d.forward[t];\noutput y, u; }";
        memories_over_different_axes: "cell A<I>(x: [I], m[j]: [I], n[j]: [I]) -> h: [I] { h[t] = x[t] + sum[j](m[j] * n[j]); }\nmodel M<I> { time t in 1..=T; time r in 1..=R; time c in 1..=C; input x[t]: [I], m[r]: [I], n[c]: [I];\nlayer a = A<I>; y[t] = a(x[t], m, n); output y; }";
        layer_that_is_never_applied: "cell A<I>(x: [I]) -> h: [I] { h[t] = x[t]; }\nmodel M<I> { time t in 1..=T; input x[t]: [I]; layer a = A<I>; output x; }";
        a_wrong_cell_is_no_mistake_of_the_model: "cell A<I>(x: [I]) -> h: [I] { h[t] = x[t] + q; }\nmodel M<I> { time t in 1..=T; input x[t]: [I]; param W: [I, I] = 0; layer a = A<I>; y[t] = a(W @ x[t] + y[t-1]); output y; }";
        stack_that_does_not_fit: "cell A<I>(x: [2*I]) -> h: [I] { h[t] = slice(x[t], 0, I); }\nmodel M<I> { time t in 1..=T; input x[t]: [I];\nlayer a = stack(2, A<I>); layer b = stack(1000, A<I>); y[t] = a(x[t]); output y; }";
    }
}

#[test]
fn a_syntax_error_does_not_hide_errors_of_other_equations() {
    insta::assert_snapshot!(in_model(
        "param W: [H, H] = 0;\na[t] = x[t] + * 2;\nb[t] = a[t] + c[t];\nc[t] = W @ x[t];\noutput b;"
    ));
}

#[test]
fn an_error_does_not_spread_to_what_reads_it() {
    insta::assert_snapshot!(in_model(
        "param W: [H, H] = 0; param U: [E, E] = 0;\nh[t] = W @ x[t];\ng[t] = h[t] + 1;\nf[t] = U @ f[t-1] + q;\noutput h, g, f;\nloss mean[t](sum(g[t] * f[t]));"
    ));
}

#[test]
fn families_and_cells_cannot_multiply_without_bound() {
    let cells: String = (1..40)
        .map(|n| format!("cell C{n}<I>(x: [I]) -> h: [I] {{ layer a = C{0}<I>; layer b = C{0}<I>; h[t] = a(b(x[t])); }}\n", n - 1))
        .collect();
    let source = format!("cell C0<I>(x: [I]) -> h: [I] {{ h[t] = x[t]; }}\n{cells}");
    let (_, diagnostics) = elaborate_text(&source);
    assert!(!diagnostics.is_empty());
    let families = "model M { index a in 1..=1000; index b in 1..=1000; index c in 1..=1000; param W[a, b, c]: [] = 0; }";
    let (_, diagnostics) = elaborate_text(families);
    assert!(!diagnostics.is_empty());
    let _ = CELLS;
}

//! Connectionist temporal classification: labels without a place in time.

crate::rnn! {
    /// The log-probability of a sequence of labels under all its alignments with the steps (Graves, Fernandez, Gomez &
    /// Schmidhuber 2006, eq. 3 to 8): at each step a label or a blank is said, labels that are repeated count once, blanks do
    /// not count. `total[t]` is that of all labels within the first `t` steps, so the loss of an example is `-total[T]`.
    ///
    /// Token 0 is the blank, and no label. Two forward variables for each prefix of `u` labels say what came last: `b[t, u]` a
    /// blank, `l[t, u]` the label `u` (in the paper the odd and the even positions of the extended labelling). A label follows a
    /// blank, or another label, or itself. `-1e30` stands for `ln 0`.
    ///
    /// An empty sequence of labels is one of blanks alone. Labels that need more steps than there are, one each and one more
    /// between two that are equal, have a `total[T]` below `-1e29`, of which nothing can be learnt: [`check_labels`](crate::ctc::check_labels)
    /// finds them before a step. Where `zero_infinity` is 1, as it is called in PyTorch, they have a `total` of 0 instead, and no gradient; it
    /// is a setting, 0 if nothing is said.
    pub cell Ctc<V>(logits: [V], label[u]: token<V>) -> total: [] {
        fixed zero_infinity: [] = 0;

        y[t]      = log_softmax(logits[t]);
        say[t, u] = y[t, label[u]];
        blank[t]  = sum(slice(y[t], 0, 1));

        // No label yet: before the first label there are blanks alone, and before the first step nothing, which is certain.
        none[t] = none[t-1] + blank[t];
        b[t, 0] = none[t];
        b[0, 0] = 0;
        b[0, u] = -1e30;
        l[0, u] = -1e30;

        m[t, u]     = stop_gradient(max(b[t-1, u], l[t-1, u]));
        b[t, u]: [] = m[t, u] + ln(exp(b[t-1, u] - m[t, u]) + exp(l[t-1, u] - m[t, u])) + blank[t];

        // The label before, at once: not before the first, nor between equal ones.
        d[t, u]     = where(u == 1, -1e30, l[t-1, u-1] + where(label[u] == label[u-1], -1e30, 0));
        n[t, u]     = stop_gradient(max(max(l[t-1, u], b[t-1, u-1]), d[t, u]));
        l[t, u]: [] = n[t, u] + ln(exp(l[t-1, u] - n[t, u]) + exp(b[t-1, u-1] - n[t, u]) + exp(d[t, u] - n[t, u])) + say[t, u];

        k[t, u]  = stop_gradient(max(b[t, u], l[t, u]));
        said[t, u] = k[t, u] + ln(exp(b[t, u] - k[t, u]) + exp(l[t, u] - k[t, u]));
        count    = sum[u](where(u > 0, 1, 0));
        all[t]   = where(count == 0, none[t], sum[u](where(u == count, said[t, u], 0)));
        total[t] = where(all[t] < -1e29, (1 - zero_infinity) * all[t], all[t]);
    }
}

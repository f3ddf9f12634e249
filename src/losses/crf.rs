//! Conditional random fields: all tags of a sequence together.

crate::rnn! {
    /// A linear-chain conditional random field (Lafferty, McCallum & Pereira 2001) over scores `u[t]` of `K` tags:
    /// `score(tags) = start[tag[1]] + sum_t u[t, tag[t]] + sum_t A[tag[t-1], tag[t]] + end[tag[T]]`.
    ///
    /// `nll[t]` is the negative log-probability of the tags up to `t`, if the sequence ended there, so the loss of an example is
    /// `nll[T]`. `best` are the tags of the highest score (Viterbi 1967), by a recurrence of maxima forward and one of tokens back;
    /// a model reads them as `crf.best[t]`. They do not depend on `tag`.
    pub cell Crf<K>(u: [K], tag: token<K>) -> nll: [] {
        param A: [K, K] = 0;
        param start, end: [K] = 0;

        // Sums over all tags before.
        alpha[t] = ahead[t-1] + u[t];
        ahead[t] = logsumexp(alpha[t] + A.T);
        ahead[0] = start;

        // The tags that are right.
        onto[t]  = A[tag[t]];
        onto[0]  = start;
        step[t]  = onto[t-1] + u[t];
        right[t] = right[t-1] + step[t, tag[t]];
        nll[t]   = logsumexp(alpha[t] + end) - right[t] - end[tag[t]];

        // Maxima over all tags before, and from the last tag back the one that each came from.
        delta[t]  = most[t-1] + u[t];
        most[t]   = max(delta[t] + A.T);
        most[0]   = start;
        left[t]   = left[t+1] + 1;
        from[t]   = A @ one_hot(best[t], K);
        onward[t] = where(left[t] == 1, end, from[t+1]);
        best[t]   = argmax(delta[t] + onward[t]);
    }
}

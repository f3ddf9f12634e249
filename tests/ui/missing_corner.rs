//! Values outside the rows and outside the columns of a table, and none outside both.

use rnn::prelude::*;

rnn! {
    /// How many symbols have to be changed, put in or taken out.
    model EditDistance<V> {
        time  i in 1..=I;
        time  j in 1..=J;
        input a[i]: token<V>;
        input b[j]: token<V>;
        D[i, j] = min(min(D[i-1, j], D[i, j-1]) + 1, D[i-1, j-1] + where(a[i] == b[j], 0, 1));
        D[i, 0] = i;
        D[0, j] = j;
        distance = D[I, J];
        output distance;
    }
}

fn main() {
    let _ = EditDistance { V: 3 };
}

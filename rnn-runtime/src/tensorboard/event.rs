//! Events, in the encoding of protocol buffers: `event.proto` and `summary.proto` of TensorFlow, the parts that are used here.
//!
//! **Invariant:** fields are in the order of their numbers.

/// The value of a tag at a step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Scalar(f32),
    Histogram(Histogram),
    Text(String),
}

/// Numbers counted by size: bucket `i` has those up to its limit and above the one before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram {
    smallest: f64,
    largest: f64,
    count: f64,
    sum: f64,
    squares: f64,
    limits: Vec<f64>,
    counts: Vec<f64>,
}

/// Buckets of a histogram.
const BUCKETS: usize = 30;

impl Histogram {
    pub(super) fn of(values: impl IntoIterator<Item = f32>) -> Self {
        let values = values.into_iter().map(f64::from);
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (smallest, largest) = match values.is_empty() {
            true => (0.0, 0.0),
            false => (smallest, largest),
        };
        let width = (largest - smallest) / BUCKETS as f64;
        let mut counts = vec![0.0; BUCKETS];
        for value in &values {
            let bucket = match width > 0.0 {
                true => ((value - smallest) / width) as usize,
                false => 0,
            };
            counts[bucket.min(BUCKETS - 1)] += 1.0;
        }
        let limit = |bucket: usize| match bucket + 1 == BUCKETS {
            true => largest.max(smallest + f64::MIN_POSITIVE),
            false => smallest + width * (bucket + 1) as f64,
        };
        Self {
            smallest,
            largest,
            count: values.len() as f64,
            sum: values.iter().sum(),
            squares: values.iter().map(|value| value * value).sum(),
            limits: (0..BUCKETS).map(limit).collect(),
            counts,
        }
    }

    fn message(&self) -> Message {
        let mut message = Message::default();
        let numbers = [
            self.smallest,
            self.largest,
            self.count,
            self.sum,
            self.squares,
        ];
        for (field, number) in (1..).zip(numbers) {
            message.double(field, number);
        }
        message.doubles(6, &self.limits);
        message.doubles(7, &self.counts);
        message
    }
}

/// An event, encoded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event(Message);

impl Event {
    /// What a file begins with.
    pub(super) fn version(time: f64) -> Self {
        let mut event = Message::default();
        event.double(1, time);
        event.bytes(3, b"brain.Event:2");
        Self(event)
    }

    /// Steps from this one on are going to be repeated.
    pub(super) fn restart(time: f64, step: u64) -> Self {
        /// `SessionLog.START`
        const START: u64 = 1;
        let mut session = Message::default();
        session.number(1, START);
        let mut event = Message::default();
        event.double(1, time);
        event.number(2, step);
        event.message(7, &session);
        Self(event)
    }

    /// Values of a step.
    pub(super) fn values(time: f64, step: u64, values: &[(&str, Value)]) -> Self {
        let mut summary = Message::default();
        for (tag, value) in values {
            let mut own = Message::default();
            own.bytes(1, tag.as_bytes());
            match value {
                Value::Scalar(number) => own.float(2, *number),
                Value::Histogram(histogram) => own.message(5, &histogram.message()),
                Value::Text(text) => {
                    own.message(8, &text_tensor(text));
                    own.message(9, &plugin("text"));
                }
            }
            summary.message(1, &own);
        }
        let mut event = Message::default();
        event.double(1, time);
        event.number(2, step);
        event.message(5, &summary);
        Self(event)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0.0
    }
}

// A tensor of one text.
fn text_tensor(text: &str) -> Message {
    /// `DT_STRING`
    const STRING: u64 = 7;
    let mut dim = Message::default();
    dim.number(1, 1);
    let mut shape = Message::default();
    shape.message(2, &dim);
    let mut tensor = Message::default();
    tensor.number(1, STRING);
    tensor.message(2, &shape);
    tensor.bytes(8, text.as_bytes());
    tensor
}

fn plugin(name: &str) -> Message {
    let mut data = Message::default();
    data.bytes(1, name.as_bytes());
    let mut metadata = Message::default();
    metadata.message(1, &data);
    metadata
}

/// A message of protocol buffers. Fields that have their default value may be left out.
#[derive(Clone, Debug, Default, PartialEq)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn key(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    fn number(&mut self, field: u64, number: u64) {
        self.key(field, 0);
        self.varint(number);
    }

    fn double(&mut self, field: u64, number: f64) {
        self.key(field, 1);
        self.0.extend(number.to_le_bytes());
    }

    fn float(&mut self, field: u64, number: f32) {
        self.key(field, 5);
        self.0.extend(number.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn doubles(&mut self, field: u64, numbers: &[f64]) {
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        self.bytes(field, &bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }
}

//! Parses the text form, line by line. Types are read, not checked: that is what [`crate::verify`] is for.
//!
//! **Invariant:** any text gives a graph or an error, in time and memory proportional to its length.

use super::cursor::{Cursor, ParseError, Parsed};
use crate::axis::{Axis, AxisId, Domain, Extent, MAX_AXES};
use crate::dim::Dim;
use crate::graph::{Graph, GraphResult, ResultKind};
use crate::id::{Arena, Id};
use crate::node::{DType, FileId, Loc, Node, NodeId, Shape, Type};
use crate::op::{
    Binary, Compare, Init, Number, Op, Over, ParamKind, Position, Reduction, Role, Unary, Word,
};
use std::collections::HashMap;

/// The longest text that is parsed, in bytes.
pub const MAX_TEXT: usize = 1 << 28;
/// How many terms a dim may have.
pub const MAX_TERMS: usize = 64;
/// How many factors a term of a dim may have.
pub const MAX_FACTORS: usize = 8;

/// The graph that a text describes.
///
/// # Errors
/// The first place where the text is not a graph.
pub fn parse(text: &str) -> Result<Graph, ParseError> {
    if text.len() > MAX_TEXT {
        return Cursor::new("", 1).fail_at(
            0,
            format!("at most {MAX_TEXT} bytes"),
            format!("{} bytes", text.len()),
        );
    }
    let mut reader = Reader {
        graph: Graph::new(""),
        axes: HashMap::new(),
        stage: Stage::Model,
    };
    reader.graph.axes = Arena::default();
    let mut last = 1;
    for (index, line) in text.lines().enumerate() {
        last = index + 1;
        let mut line = Cursor::new(line, last);
        if !line.is_done() {
            reader.line(&mut line)?;
            line.done()?;
        }
    }
    if reader.stage == Stage::Model {
        return Cursor::new("", last).fail_at(0, "`model` and a name", "the end of the text");
    }
    Ok(reader.graph)
}

// Which kinds of line may still come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Model,
    Axes,
    Files,
    Nodes,
    Results,
}

struct Reader {
    graph: Graph,
    axes: HashMap<String, AxisId>,
    stage: Stage,
}

impl Reader {
    fn line(&mut self, line: &mut Cursor<'_>) -> Parsed<()> {
        if self.stage == Stage::Model {
            line.expect_word("model")?;
            self.stage = Stage::Axes;
            return self.model(line);
        }
        if self.stage == Stage::Axes && line.eat_word("axis") {
            return self.axis(line);
        }
        let next = FileId::from_index(self.graph.files.len());
        if self.stage <= Stage::Files && line.eat_word(&next.to_string()) {
            self.stage = Stage::Files;
            line.expect("=")?;
            self.graph.files.push(line.quoted()?);
            return Ok(());
        }
        if self.stage <= Stage::Nodes && line.peek() == Some('%') {
            self.stage = Stage::Nodes;
            return self.node(line);
        }
        let expected = match self.stage {
            Stage::Model | Stage::Axes => "an axis, a node or a result",
            Stage::Files => "a file, a node or a result",
            Stage::Nodes => "a node or a result",
            Stage::Results => "a result such as `output h = %3`",
        };
        let start = line.start();
        let kind = match line.word() {
            Some("output") => ResultKind::Output,
            Some("loss") => ResultKind::Loss,
            Some("batch_loss") => ResultKind::BatchLoss,
            Some("gradient") => ResultKind::Gradient,
            Some("state") => ResultKind::State,
            Some("running") => ResultKind::Running,
            Some(word) => return line.fail_at(start, expected, format!("`{word}`")),
            None => return line.fail(expected),
        };
        self.stage = Stage::Results;
        let name = line.name("the name of a result")?;
        line.expect("=")?;
        let node = line.id()?;
        self.graph.results.push(GraphResult { kind, name, node });
        Ok(())
    }

    fn model(&mut self, line: &mut Cursor<'_>) -> Parsed<()> {
        self.graph.name = line.name("the name of the model")?;
        if line.eat("<") {
            loop {
                let size = line.identifier("the name of a size")?;
                self.graph.sizes.push(size.to_owned());
                if !line.eat(",") {
                    break;
                }
            }
            line.expect(">")?;
        }
        Ok(())
    }

    fn axis(&mut self, line: &mut Cursor<'_>) -> Parsed<()> {
        let start = line.start();
        let name = line.identifier("the name of an axis")?.to_owned();
        if self.graph.axes.len() == MAX_AXES {
            let expected = format!("at most {MAX_AXES} axes");
            return line.fail_at(start, expected, format!("`{name}`"));
        }
        line.expect(":")?;
        line.expect("1")?;
        line.expect("..=")?;
        let extent = if line.peek().is_some_and(|next| next.is_ascii_digit()) {
            Extent::Fixed(line.unsigned("a number of steps")?)
        } else {
            Extent::Length(
                line.identifier("a number of steps, or the name of a length")?
                    .to_owned(),
            )
        };
        let id = AxisId::from_index(self.graph.axes.len());
        if self.axes.insert(name.clone(), id).is_some() {
            let expected = "an axis that is not declared yet";
            return line.fail_at(start, expected, format!("`{name}`"));
        }
        self.graph.axes.push(Axis { name, extent });
        Ok(())
    }

    fn node(&mut self, line: &mut Cursor<'_>) -> Parsed<()> {
        let start = line.start();
        let id = line.id()?;
        let next = NodeId::from_index(self.graph.nodes.len());
        if id != next {
            let expected = format!("{next}, nodes are in order");
            return line.fail_at(start, expected, format!("`{id}`"));
        }
        let unnamed = line.eat_word("_");
        let named = match line.peek() {
            Some('"') if !unnamed => Some(line.quoted()?),
            _ => None,
        };
        line.expect("=")?;
        let op = self.op(line)?;
        line.expect(":")?;
        let ty = self.ty(line)?;
        let loc = if line.eat("@") {
            let (line_number, column) = (line.unsigned("a line")?, {
                line.expect(":")?;
                line.unsigned("a column")?
            });
            let file = if line.eat_word("in") {
                Some(self.file(line)?)
            } else {
                None
            };
            Some(Loc {
                file,
                line: line_number,
                column,
            })
        } else {
            None
        };
        let name = match (&op, named) {
            (_, Some(name)) => Some(name),
            (Op::Input { name, .. } | Op::Param { name, .. }, None) if !unnamed => {
                Some(name.clone())
            }
            (_, None) => None,
        };
        self.graph.nodes.push(Node { op, ty, name, loc });
        Ok(())
    }

    fn file(&self, line: &mut Cursor<'_>) -> Parsed<FileId> {
        let start = line.start();
        let word = line.word().unwrap_or_default();
        let declared = self.graph.files.ids().find(|id| id.to_string() == word);
        match declared {
            Some(id) => Ok(id),
            None => line.fail_at(start, "a declared file", format!("`{word}`")),
        }
    }

    fn ty(&self, line: &mut Cursor<'_>) -> Parsed<Type> {
        let domain = self.domain(line)?;
        let mut dims = Vec::new();
        line.expect("[")?;
        if !line.eat("]") {
            loop {
                dims.push(dim(line)?);
                if !line.eat(",") {
                    break;
                }
            }
            line.expect("]")?;
        }
        let dtype = if line.eat_word("index") {
            DType::Index
        } else if line.eat_word("bool") {
            DType::Bool
        } else {
            line.eat_word("real");
            DType::Real
        };
        Ok(Type {
            domain,
            shape: Shape(dims),
            dtype,
        })
    }

    fn domain(&self, line: &mut Cursor<'_>) -> Parsed<Domain> {
        let mut domain = Domain::NONE;
        line.expect("[")?;
        if line.eat("]") {
            return Ok(domain);
        }
        loop {
            let start = line.start();
            let axis = self.axis_id(line)?;
            if domain.contains(axis) {
                let found = format!("`{}` again", self.graph.axes[axis].name);
                return line.fail_at(start, "each axis once", found);
            }
            domain = domain.with(axis);
            if !line.eat(",") {
                break;
            }
        }
        line.expect("]")?;
        Ok(domain)
    }

    fn axis_id(&self, line: &mut Cursor<'_>) -> Parsed<AxisId> {
        let start = line.start();
        let name = line.identifier("the name of an axis")?;
        match self.axes.get(name) {
            Some(axis) => Ok(*axis),
            None => line.fail_at(start, "a declared axis", format!("`{name}`")),
        }
    }

    fn op(&self, line: &mut Cursor<'_>) -> Parsed<Op> {
        let start = line.start();
        let Some(word) = line.word() else {
            return line.fail("an op");
        };
        if let Some(unary) = Unary::ALL.into_iter().find(|unary| unary.name() == word) {
            return Ok(Op::Unary(unary, line.id()?));
        }
        if let Some(compare) = Compare::ALL.into_iter().find(|op| op.name() == word) {
            let (a, b) = two(line)?;
            return Ok(Op::Compare(compare, a, b));
        }
        // `max` is three ops: `max[t] %1`, `max %1 at 0`, `max %1, %2`.
        if let Some(kind) = Over::ALL.into_iter().find(|over| over.name() == word)
            && line.peek() == Some('[')
        {
            let axes = self.domain(line)?;
            let x = line.id()?;
            return Ok(Op::AxisReduce { kind, x, axes });
        }
        let reduction = Reduction::ALL.into_iter().find(|kind| kind.name() == word);
        let binary = Binary::ALL.into_iter().find(|binary| binary.name() == word);
        if reduction.is_some() || binary.is_some() {
            let x = line.id()?;
            return match (reduction, binary) {
                (Some(kind), None) => {
                    let at = place(line)?;
                    Ok(Op::Reduce { kind, x, at })
                }
                (Some(kind), Some(_)) if line.eat_word("at") => {
                    let at = line.unsigned("the number of a feature axis")?;
                    Ok(Op::Reduce { kind, x, at })
                }
                (_, Some(binary)) => {
                    line.expect(",")?;
                    Ok(Op::Binary(binary, x, line.id()?))
                }
                (None, None) => unreachable!("one of the two was found"),
            };
        }
        Ok(match word {
            "input" => self.input(line, Role::Input)?,
            "target" => self.input(line, Role::Target)?,
            "state" => self.input(line, Role::State)?,
            "fresh" => self.input(line, Role::Fresh)?,
            "teacher" => self.input(line, Role::Teacher)?,
            "weight" => self.input(line, Role::Weight)?,
            "seed_first" => self.input(line, Role::Seed(Word::First))?,
            "seed_second" => self.input(line, Role::Seed(Word::Second))?,
            "training" => self.input(line, Role::Training)?,
            "param" => param(line, ParamKind::Trained)?,
            "orthonormal" => param(line, ParamKind::Orthonormal)?,
            "fixed" => param(line, ParamKind::Fixed)?,
            "running" => param(line, ParamKind::Running)?,
            "const" => Op::Const(Number(line.real()?)),
            "step" => Op::Step(self.axis_id(line)?),
            "length" => Op::Length(self.axis_id(line)?),
            "entries" => Op::Entries,
            "where" => {
                let (condition, then) = two(line)?;
                line.expect(",")?;
                Op::Select(condition, then, line.id()?)
            }
            "stop" => Op::StopGradient(line.id()?),
            "mix" => {
                let (a, b) = two(line)?;
                Op::Mix(a, b)
            }
            "random" => Op::Uniform(line.id()?),
            "token" => Op::Token(line.id()?),
            "matmul" => {
                let (a, b) = two(line)?;
                Op::MatMul(a, b)
            }
            "outer" => {
                let (a, b) = two(line)?;
                Op::Outer(a, b)
            }
            "transpose" => Op::Transpose(line.id()?),
            "expand" => {
                let (x, at) = (line.id()?, place(line)?);
                line.expect_word("to")?;
                let dim = dim(line)?;
                Op::Expand { x, at, dim }
            }
            "softmax" => Op::Softmax(line.id()?),
            "concat" => concat(line)?,
            "slice" => {
                let (x, at) = (line.id()?, place(line)?);
                line.expect_word("from")?;
                let start = dim(line)?;
                line.expect_word("take")?;
                let len = dim(line)?;
                Op::Slice { x, at, start, len }
            }
            "pad" => {
                let (x, at) = (line.id()?, place(line)?);
                line.expect_word("by")?;
                let before = dim(line)?;
                line.expect(",")?;
                let after = dim(line)?;
                Op::Pad {
                    x,
                    at,
                    before,
                    after,
                }
            }
            "gather" => {
                let (table, index) = two(line)?;
                Op::Gather { table, index }
            }
            "scatter" => {
                let (index, x) = two(line)?;
                line.expect_word("to")?;
                let dim = dim(line)?;
                Op::Scatter { index, x, dim }
            }
            "argmax" => Op::ArgMax(line.id()?),
            "broadcast" => {
                let axes = self.domain(line)?;
                let x = line.id()?;
                Op::Broadcast { x, axes }
            }
            "shift" => {
                let axis = self.axis_id(line)?;
                let by = steps(line)?;
                let (x, boundary) = with_boundary(line)?;
                Op::Shift {
                    axis,
                    by,
                    x,
                    boundary,
                }
            }
            "at" => {
                let (axis, position) = self.position(line)?;
                let (x, boundary) = with_boundary(line)?;
                Op::At {
                    axis,
                    position,
                    x,
                    boundary,
                }
            }
            "place" => {
                let (axis, position) = self.position(line)?;
                let x = line.id()?;
                Op::Place { axis, position, x }
            }
            _ => return line.fail_at(start, "an op", format!("`{word}`")),
        })
    }

    fn input(&self, line: &mut Cursor<'_>, role: Role) -> Parsed<Op> {
        let name = line.name("the name of an input")?;
        Ok(Op::Input { name, role })
    }

    fn position(&self, line: &mut Cursor<'_>) -> Parsed<(AxisId, Position)> {
        let axis = self.axis_id(line)?;
        line.expect("=")?;
        let position = if line.eat_word("first") {
            Position::First
        } else if line.eat_word("last") {
            Position::Last
        } else {
            Position::Step(line.unsigned("`first`, `last` or the number of a step")?)
        };
        Ok((axis, position))
    }
}

fn two(line: &mut Cursor<'_>) -> Parsed<(NodeId, NodeId)> {
    let a = line.id()?;
    line.expect(",")?;
    Ok((a, line.id()?))
}

fn place(line: &mut Cursor<'_>) -> Parsed<usize> {
    line.expect_word("at")?;
    line.unsigned("the number of a feature axis")
}

fn with_boundary(line: &mut Cursor<'_>) -> Parsed<(NodeId, Option<NodeId>)> {
    let x = line.id()?;
    let boundary = if line.eat_word("else") {
        Some(line.id()?)
    } else {
        None
    };
    Ok((x, boundary))
}

fn steps(line: &mut Cursor<'_>) -> Parsed<i32> {
    let start = line.start();
    let sign = if line.eat("-") {
        -1
    } else {
        line.expect("+")?;
        1
    };
    let steps: i64 = line.unsigned::<u32>("a number of steps")?.into();
    match i32::try_from(sign * steps) {
        Ok(by) => Ok(by),
        Err(_) => line.fail_at(start, "at most 2^31 steps", format!("`{steps}`")),
    }
}

fn concat(line: &mut Cursor<'_>) -> Parsed<Op> {
    line.expect("(")?;
    let mut parts = Vec::new();
    if !line.eat(")") {
        loop {
            parts.push(line.id()?);
            if !line.eat(",") {
                break;
            }
        }
        line.expect(")")?;
    }
    let at = place(line)?;
    Ok(Op::Concat { parts, at })
}

fn param(line: &mut Cursor<'_>, changed: ParamKind) -> Parsed<Op> {
    let name = line.name("the name of a parameter")?;
    line.expect("~")?;
    let kind = line.name("the name of an initialiser")?;
    let mut args = Vec::new();
    if line.eat("(") {
        loop {
            args.push(Number(line.real()?));
            if !line.eat(",") {
                break;
            }
        }
        line.expect(")")?;
    }
    Ok(Op::Param {
        name,
        init: Init { kind, args },
        kind: changed,
    })
}

// `E + 2*H - 1`
fn dim(line: &mut Cursor<'_>) -> Parsed<Dim> {
    let start = line.start();
    let mut total = Dim::constant(0);
    let mut negative = line.eat("-");
    for _ in 0..MAX_TERMS {
        let term_start = line.start();
        let term = term(line, negative)?;
        total = match total.checked_add(&term) {
            Some(total) => total,
            None => {
                return line.fail_at(term_start, "a size that fits into 63 bits", "a larger one");
            }
        };
        if line.eat("+") {
            negative = false;
        } else if line.eat("-") {
            negative = true;
        } else {
            return Ok(total);
        }
    }
    line.fail_at(start, format!("at most {MAX_TERMS} terms"), "more")
}

// `2*E*H`, `H`, `3`
fn term(line: &mut Cursor<'_>, negative: bool) -> Parsed<Dim> {
    let start = line.start();
    let sign = if negative { -1 } else { 1 };
    let digits = line.peek().is_some_and(|next| next.is_ascii_digit());
    let mut named = !digits;
    let mut total = if digits {
        let value = i128::from(line.unsigned::<u64>("a size")?);
        named = line.eat("*");
        match i64::try_from(sign * value) {
            Ok(value) => Dim::constant(value),
            Err(_) => return line.fail_at(start, "a size that fits into 63 bits", "a larger one"),
        }
    } else {
        Dim::constant(if negative { -1 } else { 1 })
    };
    for _ in 0..MAX_FACTORS {
        if !named {
            return Ok(total);
        }
        let factor = Dim::size(line.identifier("the name of a size")?);
        total = match total.checked_mul(&factor) {
            Some(total) => total,
            None => return line.fail_at(start, "a size that fits into 63 bits", "a larger one"),
        };
        named = line.eat("*");
    }
    if named {
        return line.fail_at(start, format!("at most {MAX_FACTORS} factors"), "more");
    }
    Ok(total)
}

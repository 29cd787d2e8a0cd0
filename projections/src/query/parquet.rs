//! Rows as a Parquet file: no more than one row group is in memory.

use std::{
    io::{Error, Write},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{Datelike as _, NaiveDate};
use gate::{Problem, rules};
use parquet::{
    basic::{LogicalType, Repetition, TimeUnit, Type as Physical},
    column::writer::ColumnWriterImpl,
    data_type::{
        BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
    },
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::{Type, TypePtr},
};

use super::cell::{Cell, Kind, Shown};

/// Rows of one row group.
const GROUP: usize = 4_096;
/// Of a number of 128 bits.
const SUM_DIGITS: i32 = 38;

/// A file being written.
pub(crate) struct Parquet {
    kinds: Vec<Kind>,
    file: SerializedFileWriter<Sink>,
    sink: Sink,
    waiting: Vec<Vec<Cell>>,
}

/// What was written and not yet sent.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl Parquet {
    /// # Errors
    /// The columns make no schema.
    pub(crate) fn new(columns: &[Shown]) -> Result<Self, Problem> {
        let sink = Sink::default();
        let begun = schema(columns)
            .and_then(|schema| SerializedFileWriter::new(sink.clone(), schema, Arc::new(WriterProperties::default())));
        let file = begun.map_err(|failure| {
            tracing::error!(%failure, "no Parquet file can be begun");
            Problem::turned_away(rules::INTERNAL)
        })?;
        Ok(Self { kinds: columns.iter().map(|column| column.kind).collect(), file, sink, waiting: Vec::new() })
    }

    /// # Errors
    /// The rows do not fit the columns.
    pub(crate) fn rows(&mut self, rows: Vec<Vec<Cell>>) -> Result<Vec<u8>, Error> {
        self.waiting.extend(rows);
        if self.waiting.len() >= GROUP {
            self.group().map_err(Error::other)?;
        }
        Ok(self.sink.take())
    }

    /// # Errors
    /// The file cannot be finished.
    pub(crate) fn end(&mut self) -> Result<Vec<u8>, Error> {
        if !self.waiting.is_empty() {
            self.group().map_err(Error::other)?;
        }
        self.file.finish().map_err(Error::other)?;
        Ok(self.sink.take())
    }

    fn group(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.waiting);
        let mut group = self.file.next_row_group()?;
        for (at, kind) in self.kinds.iter().enumerate() {
            let cells = || rows.iter().filter_map(|row| row.get(at));
            let Some(mut column) = group.next_column()? else { break };
            match kind {
                Kind::Integer | Kind::Moment => write(column.typed::<Int64Type>(), cells().map(number))?,
                Kind::Sum => write(column.typed::<FixedLenByteArrayType>(), cells().map(sum))?,
                Kind::Day => write(column.typed::<Int32Type>(), cells().map(days))?,
                Kind::Flag => write(column.typed::<BoolType>(), cells().map(flag))?,
                Kind::Id(_) | Kind::Text | Kind::Json | Kind::Sealed(_) | Kind::Open(_) => {
                    write(column.typed::<ByteArrayType>(), cells().map(text))?;
                }
            }
            column.close()?;
        }
        group.close()?;
        Ok(())
    }
}

/// A column of one row group: which of its values are there, and those.
fn write<T: DataType>(
    column: &mut ColumnWriterImpl<'_, T>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let (mut there, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        there.extend(value);
    }
    column.write_batch(&there, Some(&levels), None).map(drop)
}

fn schema(columns: &[Shown]) -> Result<TypePtr, ParquetError> {
    let fields = columns.iter().map(|column| {
        let (physical, logical) = match column.kind {
            Kind::Integer => (Physical::INT64, None),
            Kind::Sum => (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::decimal(0, SUM_DIGITS))),
            Kind::Flag => (Physical::BOOLEAN, None),
            Kind::Moment => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
            Kind::Day => (Physical::INT32, Some(LogicalType::Date)),
            Kind::Json => (Physical::BYTE_ARRAY, Some(LogicalType::Json)),
            Kind::Id(_) | Kind::Text | Kind::Sealed(_) | Kind::Open(_) => {
                (Physical::BYTE_ARRAY, Some(LogicalType::String))
            }
        };
        let field = Type::primitive_type_builder(column.name, physical).with_repetition(Repetition::OPTIONAL);
        let field = if column.kind == Kind::Sum {
            field.with_length(16).with_precision(SUM_DIGITS).with_scale(0)
        } else {
            field
        };
        field.with_logical_type(logical).build().map(Arc::new)
    });
    let fields = fields.collect::<Result<Vec<TypePtr>, ParquetError>>()?;
    Type::group_type_builder("answer").with_fields(fields).build().map(Arc::new)
}

fn text(cell: &Cell) -> Option<ByteArray> {
    (!matches!(cell, Cell::Nothing | Cell::Sealed(_))).then(|| ByteArray::from(cell.text().into_bytes()))
}

fn number(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Integer(number) => Some(*number),
        Cell::Moment(moment) => Some(moment.timestamp_micros()),
        Cell::Nothing | Cell::Text(_) | Cell::Sum(_) | Cell::Flag(_) => None,
        Cell::Day(_) | Cell::Json(_) | Cell::Sealed(_) => None,
    }
}

fn sum(cell: &Cell) -> Option<FixedLenByteArray> {
    let Cell::Sum(sum) = cell else { return None };
    Some(ByteArray::from(sum.to_be_bytes().to_vec()).into())
}

fn days(cell: &Cell) -> Option<i32> {
    const EPOCH: i32 = 719_163;
    let Cell::Day(day) = cell else { return None };
    Some(NaiveDate::num_days_from_ce(day).saturating_sub(EPOCH))
}

const fn flag(cell: &Cell) -> Option<bool> {
    if let Cell::Flag(flag) = cell { Some(*flag) } else { None }
}

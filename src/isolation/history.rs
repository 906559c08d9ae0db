//! What was done and seen: the input of the judgement.

/// Transactions in the order in which they began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    pub transactions: Vec<Transaction>,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The session that ran it; its transactions follow each other.
    pub process: u32,
    pub status: Status,
    /// A moment before the transaction began, on a clock that all processes share.
    pub begun: u64,
    /// A moment after it had ended.
    pub ended: u64,
    pub operations: Vec<Operation>,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It committed.
    Ok,
    /// It was rolled back.
    Fail,
    /// The answer to its commit never came.
    Info,
}

/// One operation of a transaction. No value is appended twice to the same list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    Append {
        key: u32,
        value: u64,
    },
    /// `None`: the answer never came.
    Read {
        key: u32,
        values: Option<Vec<u64>>,
    },
}

impl Operation {
    /// The list.
    pub fn key(&self) -> u32 {
        match self {
            Self::Append { key, .. } | Self::Read { key, .. } => *key,
        }
    }
}

impl Transaction {
    /// Values that it appended to a list, in order.
    pub(super) fn appended(&self, list: u32) -> impl Iterator<Item = u64> {
        self.operations.iter().filter_map(move |operation| match operation {
            Operation::Append { key, value } if *key == list => Some(*value),
            _ => None,
        })
    }

    /// Reads of lists that it hadn't appended to before.
    pub(super) fn plain_reads(&self) -> impl Iterator<Item = (u32, &[u64])> {
        self.operations.iter().enumerate().filter_map(|(place, operation)| {
            let Operation::Read { key, values: Some(values) } = operation else { return None };
            let own =
                |earlier: &Operation| matches!(earlier, Operation::Append { key: of, .. } if of == key);
            let is_plain = !self.operations[..place].iter().any(own);
            is_plain.then_some((*key, values.as_slice()))
        })
    }
}

impl History {
    /// How many transactions were under way at the same time as another one that touched one of the same lists.
    pub fn overlapped(&self) -> u64 {
        let mut open: Vec<usize> = Vec::new();
        let mut met = vec![false; self.transactions.len()];
        for (index, transaction) in self.transactions.iter().enumerate() {
            open.retain(|other| self.transactions[*other].ended > transaction.begun);
            for other in &open {
                if !(met[index] && met[*other]) && shares_a_list(transaction, &self.transactions[*other]) {
                    met[index] = true;
                    met[*other] = true;
                }
            }
            open.push(index);
        }
        met.iter().filter(|met| **met).count() as u64
    }
}

fn shares_a_list(one: &Transaction, other: &Transaction) -> bool {
    let appends = |operation: &Operation| matches!(operation, Operation::Append { .. });
    one.operations
        .iter()
        .any(|a| other.operations.iter().any(|b| a.key() == b.key() && (appends(a) || appends(b))))
}

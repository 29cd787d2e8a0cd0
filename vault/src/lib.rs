//! The keys: seals, opens and forgets personal values; makes and knows credentials.
//!
//! One master key, kept outside the database, is behind everything here. From it a key is derived for each purpose.
//! Personal values are sealed under random data keys, which stand in the database wrapped: deleting a data key is
//! forgetting what it sealed, while the events that carry it stay as they were.

mod credential;
mod data_key;
mod erasures;
mod forget;
mod mark;
mod master_key;
mod person;
mod random;
mod secret;

pub use credential::{ApiKeyName, Credential, TokenName, is_written_like_ours};
pub use data_key::{Envelope, OpenFailure};
pub use erasures::{Erasures, ErasuresFailure, forget_again};
pub use forget::{forget_person, keys_count, open, open_all};
pub use mark::{is_its_key, leave_mark};
pub use master_key::{MasterKey, MasterKeyFailure, Vault};

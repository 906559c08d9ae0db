//! A session beside the workers', which is made anew when it is lost.

use crate::target::{ConnectError, Endpoint, Session, SessionSettings};

/// A session for what goes on beside the load.
pub struct SideSession<'a> {
    pub session: &'a mut Session,
    pub endpoint: &'a Endpoint,
    /// What a new one is made with.
    pub settings: SessionSettings,
}

impl SideSession<'_> {
    /// Makes a lost session anew.
    ///
    /// # Errors
    /// When the server can't be reached now.
    pub(super) async fn heal(&mut self) -> Result<(), ConnectError> {
        if self.session.is_lost() {
            *self.session = Session::connect(self.endpoint, &self.settings).await?;
        }
        Ok(())
    }
}

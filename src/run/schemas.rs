//! Schemas of the run's own that it has made beside each other, and their end.

use super::{
    Trouble, Watcher,
    database::{Closed, Opened},
};
use crate::fixture::drop_schema;

/// Removes the run's schemas and closes their database.
pub(super) async fn close(
    mut opened: Opened,
    schemas: &[String],
    keep: bool,
    watcher: &mut dyn Watcher,
) -> Closed {
    let dropped = if keep { Ok(()) } else { drop_schemas(schemas, &mut opened).await };
    let closed = opened.close(keep, watcher).await;
    match dropped {
        Ok(()) => closed,
        Err(trouble) => Closed { trouble: Some(trouble), ..closed },
    }
}

/// Removes the run's schemas from a server that isn't ours.
async fn drop_schemas(schemas: &[String], opened: &mut Opened) -> Result<(), Trouble> {
    if opened.endpoint.is_embedded() {
        return Ok(());
    }
    if opened.session.is_lost() {
        opened.session = opened.fresh_session().await?;
    }
    for schema in schemas {
        drop_schema(&mut opened.session, schema)
            .await
            .map_err(|failure| Trouble::failure("can't remove the schema of this run", &failure))?;
    }
    Ok(())
}

//! PostgreSQL's extended protocol as most drivers speak it: parse, bind, execute and sync, without closing
//! the portal.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use deadheat::target::embedded::EmbeddedServer;

pub struct Driver {
    stream: UnixStream,
}

impl Driver {
    pub fn connect(server: &EmbeddedServer, name: &str) -> Self {
        let stream = UnixStream::connect(server.folder().join(".s.PGSQL.5432")).expect("a connection");
        let mut driver = Self { stream };
        // Protocol 3.0.
        let mut body = 196_608_i32.to_be_bytes().to_vec();
        for text in ["user", "postgres", "database", "postgres", "application_name", name, ""] {
            body.extend(text.as_bytes());
            body.push(0);
        }
        driver.send(None, &body);
        driver.until_ready();
        driver
    }

    /// Executes a statement to its end.
    pub fn execute(&mut self, statement: &str) {
        // No name, the text, no types; no portal name, no statement name, no formats or values.
        let parse = [&[0], statement.as_bytes(), &[0, 0, 0]].concat();
        self.send(Some(b'P'), &parse);
        self.send(Some(b'B'), &[0; 8]);
        self.send(Some(b'E'), &[0; 5]);
        self.send(Some(b'S'), &[]);
        self.until_ready();
    }

    fn send(&mut self, kind: Option<u8>, body: &[u8]) {
        let length = i32::try_from(body.len() + 4).expect("a short message");
        let message = [kind.as_slice(), &length.to_be_bytes(), body].concat();
        self.stream.write_all(&message).expect("sent");
    }

    fn until_ready(&mut self) {
        loop {
            let mut head = [0; 5];
            self.stream.read_exact(&mut head).expect("an answer");
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
            let mut body = vec![0; length as usize - 4];
            self.stream.read_exact(&mut body).expect("the whole answer");
            match head[0] {
                b'E' => panic!("{}", String::from_utf8_lossy(&body)),
                b'Z' => return,
                _ => {}
            }
        }
    }
}

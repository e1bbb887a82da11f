//! A mobile node on several accesses at once, and real anchors: RFC 5648, RFC 6089, and the judgment of each access.

mod judged;
mod several;
mod world;

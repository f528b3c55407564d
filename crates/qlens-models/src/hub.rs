//! The Hugging Face hub, or whatever answers as it does: a file of a repository is at
//! `<endpoint>/<repository>/resolve/<revision>/<path>`, which redirects to where the bytes are.
//!
//! Not supported: repositories that want a token.

use std::env;
use std::time::Duration;

use crate::assembly::Assembly;
use crate::http::{self, Patience};
use crate::{Error, Watch};

/// Where the hub is unless `HF_ENDPOINT` says otherwise, as it does to the hub's own tools.
const ENDPOINT: &str = "https://huggingface.co";

/// Which hub is asked, and how patiently.
#[derive(Debug, Clone)]
pub struct Hub {
    endpoint: String,
    patience: Patience,
}

impl Default for Hub {
    fn default() -> Self {
        let set = env::var("HF_ENDPOINT").ok();
        let endpoint = set.filter(|text| !text.is_empty());
        Self::at(endpoint.as_deref().unwrap_or(ENDPOINT))
    }
}

impl Hub {
    /// The hub at this address, `https://host` or with a path behind.
    pub fn at(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            patience: Patience::default(),
        }
    }

    /// Waits this long before it tries a second time (twice as long each time after), and takes a server
    /// for gone that has been silent for that long.
    #[must_use]
    pub fn patience(mut self, pause: Duration, silence: Duration) -> Self {
        self.patience = Patience { pause, silence };
        self
    }

    /// Fetches what `assembly` misses of a file.
    pub(crate) fn append_rest(
        &self,
        repository: &str,
        revision: &str,
        path: &str,
        assembly: &mut Assembly,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        let url = self.url(repository, revision, path);
        http::append_rest(&url, self.patience, assembly, watch)
    }

    // A manifest's names are letters, digits and `._-`, so there is nothing to escape.
    fn url(&self, repository: &str, revision: &str, path: &str) -> String {
        format!("{}/{repository}/resolve/{revision}/{path}", self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_file_is() {
        let url = |endpoint| Hub::at(endpoint).url("Qwen/Qwen3-0.6B-GGUF", "main", "a.gguf");
        let path = "/Qwen/Qwen3-0.6B-GGUF/resolve/main/a.gguf";
        assert_eq!(url(ENDPOINT), format!("https://huggingface.co{path}"));
        assert_eq!(url("http://mirror/hf/"), format!("http://mirror/hf{path}"));
    }
}

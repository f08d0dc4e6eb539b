// SPDX-License-Identifier: Apache-2.0
//! What scripts say to other builders: what is so here in any case, what has no effect, and what is refused with what to do in
//! its place.

use clap::Args;

use crate::diagnostic::Report;
use crate::exit::Exit;

/// Options of other builders.
#[derive(Debug, Args)]
#[allow(dead_code, reason = "that some are accepted is all there is to them")]
pub(crate) struct Habits {
    /// The image goes to the store
    #[arg(long, hide = true)]
    load: bool,
    /// No container stays
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rm: Option<bool>,
    /// Nor after a failure
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    force_rm: Option<bool>,
    /// Nothing is sent anywhere
    #[arg(long, hide = true)]
    compress: bool,
    /// There is no daemon
    #[arg(long, hide = true)]
    builder: Option<String>,
    /// What goes wrong is explained
    #[arg(short = 'D', long, hide = true)]
    debug: bool,
    /// Names are not signed here
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_content_trust: Option<bool>,
    /// There is one way to isolate
    #[arg(long, hide = true, value_parser = ["", "default"])]
    isolation: Option<String>,
    /// Results come from the store
    #[arg(long, hide = true)]
    cache_from: Vec<String>,
    /// Results go to the store
    #[arg(long, hide = true)]
    cache_to: Vec<String>,
    /// Relative weights of processors
    #[arg(short = 'c', long, hide = true)]
    cpu_shares: Option<String>,
    /// Which processors
    #[arg(long, hide = true)]
    cpuset_cpus: Option<String>,
    /// Which memory
    #[arg(long, hide = true)]
    cpuset_mems: Option<String>,
    /// Swap counts as memory
    #[arg(long, hide = true, allow_hyphen_values = true)]
    memory_swap: Option<String>,
    /// Settings of a daemon
    #[arg(long, hide = true)]
    security_opt: Vec<String>,
    /// Attestations
    #[arg(long, hide = true)]
    attest: Vec<String>,
    /// One of them
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    provenance: Option<String>,
    /// Another one
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    sbom: Option<String>,
    /// Annotations of manifests
    #[arg(long, hide = true)]
    annotation: Vec<String>,
    /// A control group
    #[arg(long, hide = true)]
    cgroup_parent: Option<String>,
    /// Registries
    #[arg(long, hide = true)]
    push: bool,
    /// One layer
    #[arg(long, hide = true)]
    squash: bool,
}

impl Habits {
    /// Returns what is to be said of options that have no effect.
    pub(crate) fn notes(&self) -> Vec<String> {
        let store = "results are looked up in the store, and kept there";
        let given = [
            ("--cache-from", !self.cache_from.is_empty(), store),
            ("--cache-to", !self.cache_to.is_empty(), store),
            ("--cpu-shares", self.cpu_shares.is_some(), "`--cpu-quota` limits the processors of a command"),
            ("--cpuset-cpus", self.cpuset_cpus.is_some(), "`taskset -c` in front of wythe chooses processors"),
            ("--cpuset-mems", self.cpuset_mems.is_some(), "`numactl -m` in front of wythe chooses memory"),
            ("--memory-swap", self.memory_swap.is_some(), "what is swapped out counts as memory"),
            ("--security-opt", !self.security_opt.is_empty(), "every command is confined in the same way"),
        ];
        let one = |(option, _, why): &(&str, bool, &str)| format!("note: `{option}` has no effect: {why}");
        given.iter().filter(|(_, is_given, _)| *is_given).map(one).collect()
    }

    /// Refuses what would be missed.
    pub(crate) fn check(&self) -> Result<(), Report> {
        let is_off =
            |text: &str| matches!(text, "false" | "0" | "disabled") || text.split(',').any(|it| it == "disabled=true");
        let wants = |given: &Option<String>| given.as_deref().is_some_and(|text| !is_off(text));
        let attests = self.attest.iter().any(|text| !is_off(text)) || wants(&self.provenance) || wants(&self.sbom);
        let refused = [
            ("--push", self.push, "pushing to registries is not available in this version", PUSH),
            (
                "--squash",
                self.squash,
                "layers are not merged",
                "copy the files of one stage into another: `FROM scratch`, `COPY --from=STAGE / /`",
            ),
            (
                "--attest, --provenance, --sbom",
                attests,
                "no attestations are made",
                "`wythe history NAME --json` tells how an image was made, `wythe packages NAME --json` what is in it",
            ),
            (
                "--annotation",
                !self.annotation.is_empty(),
                "manifests have no annotations",
                "a label is part of the image: `--label NAME=VALUE`",
            ),
            (
                "--cgroup-parent",
                self.cgroup_parent.is_some(),
                "commands run in the control group of wythe itself",
                "start it in another one: `systemd-run --scope --slice=NAME wythe build …`",
            ),
        ];
        match refused.into_iter().find(|(_, is_given, _, _)| *is_given) {
            Some((option, _, what, hint)) => Err(Report::new(Exit::Usage, format!("`{option}`: {what}")).hint(hint)),
            None => Ok(()),
        }
    }
}

/// What to do in place of pushing.
pub(crate) const PUSH: &str = "write it, and push that with another tool: `wythe save NAME -o app.tar`, `skopeo copy oci-archive:app.tar docker://REFERENCE`";

// SPDX-License-Identifier: Apache-2.0
//! `graph.checkout`: commits of git repositories.

use wasmtime::component::Resource;
use wythe_plan::Checkout;

use crate::guest::Guest;
use crate::untrusted;
use crate::v0_1::graph::HostCheckout;

type Handle = Resource<Checkout>;

impl HostCheckout for Guest {
    fn new(&mut self, url: String, commit: String) -> wasmtime::Result<Handle> {
        self.charge([url.as_str(), &commit])?;
        let url = self.demand("checkout", untrusted::git_url(&url))?;
        self.demand("checkout", untrusted::commit(&commit))?;
        self.meter.open_handle()?;
        Ok(self.draft.open.push(Checkout::new(url, commit))?)
    }

    fn reference(&mut self, checkout: Handle, name: String) -> wasmtime::Result<()> {
        self.charge([name.as_str()])?;
        self.demand("checkout.reference", untrusted::git_reference(&name))?;
        self.draft.open.get_mut(&checkout)?.reference = name;
        Ok(())
    }

    fn subdir(&mut self, checkout: Handle, path: String) -> wasmtime::Result<()> {
        self.charge([path.as_str()])?;
        self.demand("checkout.subdir", untrusted::git_subdir(&path))?;
        self.draft.open.get_mut(&checkout)?.subdir = path;
        Ok(())
    }

    fn keep_git_dir(&mut self, checkout: Handle, keep: bool) -> wasmtime::Result<()> {
        self.draft.open.get_mut(&checkout)?.keep_git_dir = keep;
        Ok(())
    }

    fn submodules(&mut self, checkout: Handle, follow: bool) -> wasmtime::Result<()> {
        self.draft.open.get_mut(&checkout)?.submodules = follow;
        Ok(())
    }

    fn drop(&mut self, checkout: Handle) -> wasmtime::Result<()> {
        self.meter.close_handle();
        self.draft.open.delete(checkout)?;
        Ok(())
    }
}

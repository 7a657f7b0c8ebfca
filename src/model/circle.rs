//! Circles of needs, which no order of starts can satisfy.

use std::collections::BTreeSet;

use super::name::ContainerName;

/// A circle of needs reachable from `start`, its first name repeated at the end.
pub fn cycle_from(
    start: &ContainerName,
    needs: &dyn Fn(&ContainerName) -> Vec<ContainerName>,
) -> Option<Vec<ContainerName>> {
    fn visit(
        name: &ContainerName,
        needs: &dyn Fn(&ContainerName) -> Vec<ContainerName>,
        path: &mut Vec<ContainerName>,
        done: &mut BTreeSet<ContainerName>,
    ) -> Option<Vec<ContainerName>> {
        if let Some(position) = path.iter().position(|other| other == name) {
            let mut cycle = path[position..].to_vec();
            cycle.push(name.clone());
            return Some(cycle);
        }
        if !done.insert(name.clone()) {
            return None;
        }
        path.push(name.clone());
        let found = needs(name)
            .iter()
            .find_map(|next| visit(next, needs, path, done));
        path.pop();
        found
    }
    visit(start, needs, &mut Vec::new(), &mut BTreeSet::new())
}

/** Which group a command is about. */
import { CliError } from '../cli-error.ts';
import type { GroupView } from '../status-view.ts';

export function chooseGroup(groups: readonly GroupView[], name: string | undefined): GroupView {
  const chosen = name === undefined && groups.length === 1 ? groups[0] : groups.find(({ group }) => group === name);
  if (chosen !== undefined) return chosen;
  if (groups.length === 0)
    throw new CliError('no broker has registered with the router yet: there is no group. Nothing was changed');
  const known = groups.map(({ group }) => group).join(', ');
  throw new CliError(
    name === undefined ? `there are several groups (${known}): say which with --group` : `no group ${name} (there are: ${known})`,
  );
}

/** The state of a cluster for a person: coloured tables on a terminal, aligned lines in a pipe. */
import type { GroupView, MemberView, StatusView } from './status-view.ts';
import { renderTable } from './table.ts';
import type { Colours } from './terminal.ts';

const HEADINGS = ['NODE', 'ADDRESS', 'STATE', 'MEMBER', 'ROLE', 'TERM', 'LAST', 'COMMIT', 'APPLIED', 'LAG'];
/** A follower this far behind is not merely waiting for the next heartbeat. */
const NOTABLE_LAG = 100;

export interface RenderStyle {
  readonly colours: Colours;
  /** Frames around tables. */
  readonly framed: boolean;
}

/** Ends with a newline. */
export function renderStatus(view: StatusView, style: RenderStyle): string {
  if (view.groups.length === 0) return 'no broker has registered with the router yet\n';
  return view.groups.map((group) => renderGroup(group, style)).join('\n');
}

function renderGroup(group: GroupView, style: RenderStyle): string {
  const { colours } = style;
  const leader =
    group.leader === ''
      ? colours.red('no leader')
      : `leader ${colours.green(group.leader)} (${group.leaderAddress || 'address unknown'})`;
  const changing = group.settled ? '' : `  ${colours.yellow('changing members')}`;
  const title = `group ${colours.bold(group.group)}  ${leader}  term ${group.term}${changing}`;
  const rows = group.members.map((member) => memberCells(member, colours));
  const remarks = group.members.flatMap((member) => remarksOn(member, colours));
  return [title, renderTable(HEADINGS.map(colours.bold), rows, style), ...remarks, ''].join('\n');
}

function memberCells(member: MemberView, colours: Colours): string[] {
  const figure = (value: number | undefined): string => (value === undefined ? '-' : String(value));
  const { term, lastIndex, commitIndex, appliedIndex, lag } = member;
  const lagging = lag !== undefined && lag > NOTABLE_LAG ? colours.yellow : String;
  return [
    member.node,
    member.address,
    stateOf(member, colours),
    standingOf(member, colours),
    member.role === 'leader' ? colours.green('leader') : (member.role ?? '-'),
    ...[term, lastIndex, commitIndex, appliedIndex].map(figure),
    lagging(figure(lag)),
  ];
}

function stateOf({ reachable, writable }: MemberView, colours: Colours): string {
  if (!reachable) return colours.red('unreachable');
  return writable === false ? colours.yellow('disk-full') : 'up';
}

function standingOf({ voter, leaving }: MemberView, colours: Colours): string {
  if (voter === undefined) return '-';
  if (leaving) return colours.yellow('leaving');
  return voter ? 'voter' : colours.cyan('learner');
}

/** What does not fit into a cell, each a line below the table. */
function remarksOn(
  { node, reachable, error, damagedEntries, repairedEntries, unfitBecause }: MemberView,
  colours: Colours,
): string[] {
  if (!reachable) return [colours.dim(`${node}: ${error ?? 'no answer'}`)];
  const remarks: string[] = [];
  const entries = (count: number): string => (count === 1 ? '1 damaged entry' : `${count} damaged entries`);
  if (damagedEntries) remarks.push(colours.red(`${node}: ${entries(damagedEntries)}, being fetched from other members`));
  if (repairedEntries)
    remarks.push(colours.dim(`${node}: ${entries(repairedEntries)} fetched from other members since it started`));
  if (unfitBecause) remarks.push(colours.yellow(`${node} would not lead: ${unfitBecause}`));
  return remarks;
}

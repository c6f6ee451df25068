/** Which groups there are, and on which nodes: follows from the configuration alone, so that all nodes with the same one agree. */

export interface PlacedMember {
  readonly id: string;
  readonly address: string;
}

export interface PlacedGroup {
  readonly name: string;
  readonly members: readonly PlacedMember[];
  /** Shall lead when it can; '' for none. */
  readonly preferredLeader: string;
}

export interface PlacementSettings {
  readonly group: string;
  readonly members: readonly PlacedMember[];
  readonly replicaGroups: number;
  /** 0: all members. */
  readonly replicaFactor: number;
  readonly preferredLeader: string;
}

/** Group after group begins one node further, and is led by the first of its nodes: replicas and leaders lie evenly. */
export function placeGroups(settings: PlacementSettings): readonly PlacedGroup[] {
  const { group, members, replicaGroups, replicaFactor, preferredLeader } = settings;
  const size = replicaFactor === 0 ? members.length : replicaFactor;
  return Array.from({ length: replicaGroups }, (_, at) => {
    const placed = Array.from({ length: size }, (_, next) => members[(at + next) % members.length] as PlacedMember);
    const first = placed[0] as PlacedMember;
    return { name: groupName(group, at), members: placed, preferredLeader: replicaGroups === 1 ? preferredLeader : first.id };
  });
}

/** Counts on from the number that the first name ends with: g1, g2, g3; a name without one is counted from 1: orders, orders-2. */
function groupName(first: string, at: number): string {
  if (at === 0) return first;
  const number = /\d+$/.exec(first)?.[0];
  if (number === undefined) return `${first}-${at + 1}`;
  return `${first.slice(0, -number.length)}${Number(number) + at}`;
}

/**
 * What a log is, once replaying cannot go on: unit s should come next, and does not. The first row that fits decides.
 *
 * What was durable is told from what never was by one number: only one write is outstanding, and each unit says which was the newest
 * durable unit when it was written. A torn tail was never acknowledged: had its sync succeeded, the next unit, if there is one, would say so.
 * The one case that looks the same is rot in the very last write, which is why an idle log seals it, and `close` does.
 */

export interface Facts {
  /** The next segment that is not empty begins with unit s. */
  readonly goesOn: boolean;
  /** A whole header of a newer format lies behind. */
  readonly newerFormat: boolean;
  /** A whole later unit says that s was durable. */
  readonly attested: boolean;
  /** Header and table of s are whole; payloads are not. */
  readonly payloadsOnly: boolean;
  /** One of those is a configuration: the core needs it at once. */
  readonly configuration: boolean;
  /** Behind lies a whole unit that no writer puts there. */
  readonly contradiction: boolean;
  /** Here or behind, a segment is missing, foreign or short, so that what it held is not known. */
  readonly unknownSegment: boolean;
  /** Something other than zeros lies behind. */
  readonly dirty: boolean;
}

export type Decision = 'goOn' | 'refuseNewerFormat' | 'keepDamaged' | 'cutWithFloor' | 'refuseUnknown' | 'cutTornTail' | 'cleanEnd';

export interface Row {
  readonly name: string;
  readonly when: (facts: Facts) => boolean;
  readonly decision: Decision;
}

export const ROWS: readonly Row[] = [
  { name: 'the next segment begins with unit s: go on there', when: (facts) => facts.goesOn, decision: 'goOn' },
  { name: 'a newer format: refuse', when: (facts) => facts.newerFormat, decision: 'refuseNewerFormat' },
  {
    name: 's was durable, its payloads alone are damaged: its entries are damaged, go on behind it',
    when: (facts) => facts.attested && facts.payloadsOnly && !facts.configuration,
    decision: 'keepDamaged',
  },
  {
    name: 's was durable and is lost: the log ends before it, and the floor says how far it went',
    when: (facts) => facts.attested,
    decision: 'cutWithFloor',
  },
  {
    name: 'a whole unit that no writer puts there: as if s was durable',
    when: (facts) => facts.contradiction,
    decision: 'cutWithFloor',
  },
  {
    name: 'a segment is gone and nothing behind it says what it held: refuse',
    when: (facts) => facts.unknownSegment,
    decision: 'refuseUnknown',
  },
  { name: 'any byte that is not zero: a torn tail, cut', when: (facts) => facts.dirty, decision: 'cutTornTail' },
  { name: 'only zeros: a clean end', when: () => true, decision: 'cleanEnd' },
];

export function decide(facts: Facts): Decision {
  return (ROWS.find(({ when }) => when(facts)) as Row).decision;
}

/** What is known at the place where replaying stopped. */
import { KIND_CONFIGURATION } from '../raft/types.ts';
import type { Facts } from './decisions.ts';
import { isUnknown } from './recovery-repair.ts';
import type { OpenSegment, Survey } from './survey.ts';
import { readRow, type UnitHeader } from './unit-format.ts';

export interface Stop {
  readonly at: number;
  readonly position: number;
  /** Behind the unit that is damaged in its body, whose end is known; else the same as `position`. */
  readonly end: number;
  readonly what: string;
  /** The unit, when its header is whole. */
  readonly unit?: {
    readonly header: UnitHeader;
    readonly tableCrc: number;
    readonly body: Buffer;
    readonly rows: readonly number[];
  };
}

export const NO_FACTS: Facts = {
  goesOn: false,
  newerFormat: false,
  attested: false,
  payloadsOnly: false,
  configuration: false,
  contradiction: false,
  unknownSegment: false,
  dirty: false,
};

export interface Known {
  readonly stop: Stop;
  /** Undefined when nothing behind had to be looked at. */
  readonly survey: Survey | undefined;
  readonly attested: boolean;
  /** From the one where replaying stopped. */
  readonly segments: readonly OpenSegment[];
  readonly baseIndex: number;
}

export function factsOf({ stop, survey, attested, segments, baseIndex }: Known): Facts {
  const { unit } = stop;
  const rows = unit?.rows ?? [];
  const isConfiguration = (row: number): boolean =>
    unit !== undefined && unit.header.firstIndex + row > baseIndex && readRow(unit.body, row).kind === KIND_CONFIGURATION;
  return {
    goesOn: false,
    newerFormat: survey?.newerFormat !== undefined,
    attested,
    payloadsOnly: rows.length > 0,
    configuration: rows.some(isConfiguration),
    contradiction: survey?.contradiction !== undefined,
    unknownSegment: segments.some((segment) => isUnknown(segment, survey)),
    dirty: (survey?.dirty.length ?? 0) > 0,
  };
}

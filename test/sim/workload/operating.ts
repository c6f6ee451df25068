/** The operator: does what people do with the command line, when told to. */
import type { MemberChange } from '../../../src/client/admin.ts';
import { LograftError } from '../../../src/rpc/error.ts';
import type { ProgramContext } from './program.ts';

export class Operator {
  #context: ProgramContext | undefined;
  /** Calls that have not been answered. */
  pending = 0;

  /** The program to run. It never ends by itself. */
  readonly program = (context: ProgramContext): Promise<void> => {
    this.#context = context;
    return new Promise(() => {});
  };

  transferLeader(to: string): void {
    this.#call(({ client }) => client.admin.transferLeader('g1', to, { timeoutMs: 2_000 }));
  }

  changeMembers(change: MemberChange): void {
    this.#call(({ client }) => client.admin.changeMembers('g1', change, { timeoutMs: 5_000 }));
  }

  #call(act: (context: ProgramContext) => Promise<unknown>): void {
    const context = this.#context;
    if (context === undefined) return;
    this.pending += 1;
    act(context).then(
      () => {
        this.pending -= 1;
      },
      (error) => {
        this.pending -= 1;
        // Refused, too late, interrupted: an operator lives with it. Not with a defect.
        context.guard(() => {
          if (!(error instanceof LograftError) || error.reason === 'INTERNAL') throw error;
        });
      },
    );
  }
}

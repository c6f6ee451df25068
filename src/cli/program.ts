/** All commands together. */
import { Command } from 'commander';
import { VERSION } from '../broker/version.ts';
import { brokerCommand } from './broker-command.ts';
import { describeFailure } from './cli-error.ts';
import { configCommand } from './config-command.ts';
import { consumeCommand } from './consume-command.ts';
import { devCommand } from './dev/dev-command.ts';
import { groupCommand } from './group/group-command.ts';
import { offsetsCommand } from './offsets-command.ts';
import { produceCommand } from './produce-command.ts';
import { routerCommand } from './router-command.ts';
import { statusCommand } from './status-command.ts';
import { topicCommand } from './topic-command.ts';

export function createProgram(): Command {
  const program = new Command('lograft')
    .description('A Raft-replicated message log.')
    .version(VERSION)
    .addHelpText('after', '\nStart here:\n  lograft dev\n  lograft COMMAND --help\n');
  const commands = [
    devCommand(),
    topicCommand(),
    produceCommand(),
    consumeCommand(),
    offsetsCommand(),
    statusCommand(),
    groupCommand(),
    brokerCommand(),
    routerCommand(),
    configCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...commands, ...commands.flatMap(({ commands: inner }) => inner)]) tellInOneLine(command);
  return program;
}

/** Mistakes in arguments read like every other failure: one line, "lograft: ...". */
function tellInOneLine(command: Command): void {
  command.exitOverride().configureOutput({
    outputError: (text, write) => write(`lograft: ${describeFailure(text.replace(/^error: /, ''))}\n`),
  });
}

/** Parsers and options that several commands share. */
import { type Command, InvalidArgumentError, Option } from 'commander';

export const DEFAULT_ROUTER = '127.0.0.1:8080';

export interface ClientFlags {
  readonly router: readonly string[];
  /** Seconds. */
  readonly timeout: number;
}

/** Options of every command that talks to a cluster. */
export function withClientFlags(command: Command, timeoutMeaning: string, timeoutSeconds = 30): Command {
  const router = new Option('-r, --router <host:port,...>', 'routers to ask; the first that answers is used')
    .env('LOGRAFT_ROUTER')
    .default([DEFAULT_ROUTER], DEFAULT_ROUTER)
    .argParser(addressList);
  return command
    .addOption(router)
    .addOption(new Option('--timeout <seconds>', timeoutMeaning).default(timeoutSeconds).argParser(numberBetween(0.1, 86_400)));
}

export function address(text: string): string {
  const port = Number(/^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text)?.[2] ?? 0);
  if (port < 1 || port > 65_535) throw new InvalidArgumentError(`"${text}" is not host:port.`);
  return text;
}

export function addressList(text: string): string[] {
  return text.split(',').map((part) => address(part.trim()));
}

/** Collects `--member id=host:port`, given any number of times. */
export function member(text: string, previous: { id: string; address: string }[] | undefined): { id: string; address: string }[] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError(`"${text}" is not id=host:port.`);
  return [...(previous ?? []), { id: text.slice(0, at), address: address(text.slice(at + 1)) }];
}

export function wholeBetween(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${minimum} to ${maximum}.`);
  };
}

export function shortText(maximum: number): (text: string) => string {
  return (text) => {
    if (text.length >= 1 && text.length <= maximum) return text;
    throw new InvalidArgumentError(`It must have 1 to ${maximum} characters.`);
  };
}

export function numberBetween(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`It must be a number from ${minimum} to ${maximum}.`);
  };
}

/** Puts examples below a command's options. */
export function withExamples(command: Command, lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`);
}

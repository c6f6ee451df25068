/** What a report must be before the table takes it. */
import { LograftError } from '../rpc/error.ts';
import type { Catalogue } from '../rpc/generated/lograft/v1/Catalogue.ts';
import type { Registration } from '../rpc/generated/lograft/v1/Registration.ts';

const MAX_NAME = 127;
const MAX_GROUPS_PER_NODE = 1_000;
const MAX_MEMBERS = 64;
const MAX_TOPICS = 10_000;
const MAX_QUEUES = 1_024;
const ADDRESS = /^[^\s]+:\d{1,5}$/;

/** Throws INVALID_REQUEST, saying which field breaks which limit. */
export function checkRegistration(report: Registration): void {
  checkName('node', report.node);
  checkAddress(`node ${report.node}`, report.address);
  checkCount('groups', report.groups.length, MAX_GROUPS_PER_NODE);
  const seen = new Set<string>();
  for (const { group, term, leader, members } of report.groups) {
    checkName('group', group);
    if (seen.has(group)) throw invalid(`group ${group} is named twice`);
    seen.add(group);
    if (!Number.isSafeInteger(term) || term < 0) throw invalid(`group ${group}: term ${term} is not a term`);
    if (leader && term === 0) throw invalid(`group ${group}: nobody leads in term 0`);
    checkCount(`group ${group}: members`, members.length, MAX_MEMBERS);
    for (const member of members) {
      checkName('member', member.node);
      checkAddress(`member ${member.node}`, member.address);
    }
  }
  if (report.catalogue !== null) checkCatalogue(report.catalogue);
}

function checkCatalogue({ revision, homeGroup, topics }: Catalogue): void {
  if (!Number.isSafeInteger(revision) || revision < 0) throw invalid(`catalogue: ${revision} is not a revision`);
  checkName('home group', homeGroup);
  checkCount('topics', topics.length, MAX_TOPICS);
  for (const { name, queueGroups } of topics) {
    checkName('topic', name);
    checkCount(`topic ${name}: queues`, queueGroups.length, MAX_QUEUES);
  }
}

function checkName(what: string, name: string): void {
  if (name.length < 1 || name.length > MAX_NAME)
    throw invalid(`${what}: 1 to ${MAX_NAME} characters, not ${JSON.stringify(name.slice(0, 40))}`);
}

function checkAddress(whose: string, address: string): void {
  if (!ADDRESS.test(address) || address.length > 300)
    throw invalid(`${whose}: the address must be "host:port", not ${JSON.stringify(address.slice(0, 40))}`);
}

function checkCount(what: string, count: number, limit: number): void {
  if (count > limit) throw invalid(`${what}: at most ${limit}, not ${count}`);
}

function invalid(why: string): LograftError {
  return new LograftError('INVALID_REQUEST', `bad registration, nothing was changed: ${why}`);
}

import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/system-clock.ts';
import { RouteBook } from '../../../src/client/route-book.ts';
import type { Catalogue } from '../../../src/rpc/generated/lograft/v1/Catalogue.ts';

const route = (term: number, leader: string, catalogue: Catalogue | null = null) => ({
  revision: 1,
  groups: [{ group: 'g', term, leader, leaderAddress: leader && `${leader}:1`, members: [] }],
  catalogue,
});

const catalogue = (revision: number, ...names: string[]): Catalogue => ({
  revision,
  homeGroup: 'g',
  topics: names.map((name, at) => ({ name, id: at + 1, queueGroups: ['g', 'h'] })),
});

describe('the route book', () => {
  it('believes the router with the higher term', () => {
    const book = new RouteBook(systemClock);
    book.published('a', route(3, 'n1'));
    book.published('b', route(2, 'n2'));
    expect(book.leader('g')).toEqual({ node: 'n1', address: 'n1:1', term: 3 });
    book.published('b', route(4, ''));
    expect(book.leader('g')).toBeUndefined();
    book.published('b', route(4, 'n3'));
    expect(book.leader('g')?.node).toBe('n3');
  });

  it('believes, in one term, the router that knows the leader', () => {
    const book = new RouteBook(systemClock);
    book.published('a', route(3, ''));
    book.published('b', route(3, 'n1'));
    expect(book.leader('g')?.node).toBe('n1');
    book.published('b', route(3, ''));
    expect(book.leader('g')).toBeUndefined();
  });

  it('takes a broker at its word until a newer term or a failure', () => {
    const book = new RouteBook(systemClock);
    book.published('a', route(3, '', catalogue(7, 't')));
    book.claimed('g', { node: 'n1', address: 'n1:1', term: 4 });
    expect(book.leader('g')?.node).toBe('n1');
    expect(book.topic('t')).toEqual({ name: 't', id: 1, queueGroups: ['g', 'h'] });
    book.doubt('g', 'n1:1');
    expect(book.leader('g')).toBeUndefined();
    book.claimed('g', { node: 'n1', address: 'n1:1', term: 4 });
    book.published('a', route(5, 'n2'));
    expect(book.leader('g')?.node).toBe('n2');
    book.claimed('g', { node: 'n1', address: 'n1:1', term: 4 });
    expect(book.leader('g')?.node).toBe('n2');
  });

  it('believes the newest catalogue, and keeps what a router does not repeat', () => {
    const book = new RouteBook(systemClock);
    expect(book.homeGroup).toBeUndefined();
    book.published('a', route(3, 'n1', catalogue(5, 'one', 'two')));
    book.published('b', route(3, 'n1', catalogue(4, 'one')));
    book.published('a', route(4, 'n1'));
    expect(book.topic('two')?.id).toBe(2);
    expect(book.homeGroup).toBe('g');
    book.published('b', route(4, 'n1', catalogue(6, 'one')));
    expect(book.topic('two')).toBeUndefined();
  });

  it('does not unlearn what a restarted router does not know yet', () => {
    const book = new RouteBook(systemClock);
    book.published('a', route(3, 'n1'));
    book.published('a', { revision: 0, groups: [], catalogue: null });
    expect(book.leader('g')?.node).toBe('n1');
  });
});

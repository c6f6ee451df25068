import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/system-clock.ts';
import { RouteBook } from '../../../src/client/route-book.ts';

const route = (term: number, leader: string, more: object = {}) => ({
  revision: 1,
  groups: [{ group: 'g', term, leader, leaderAddress: leader && `${leader}:1`, members: [], topics: [], ...more }],
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
    book.published('a', route(3, '', { topics: [{ name: 't', id: 7, queues: 2 }] }));
    book.claimed('g', { node: 'n1', address: 'n1:1', term: 4 });
    expect(book.leader('g')?.node).toBe('n1');
    expect(book.topic('t')).toMatchObject({ id: 7, group: 'g' });
    book.doubt('g', 'n1:1');
    expect(book.leader('g')).toBeUndefined();
    book.claimed('g', { node: 'n1', address: 'n1:1', term: 4 });
    book.published('a', route(5, 'n2'));
    expect(book.leader('g')?.node).toBe('n2');
    book.claimed('g', { node: 'n1', address: 'n1:1', term: 4 });
    expect(book.leader('g')?.node).toBe('n2');
  });

  it('does not unlearn what a restarted router does not know yet', () => {
    const book = new RouteBook(systemClock);
    book.published('a', route(3, 'n1'));
    book.published('a', { revision: 0, groups: [] });
    expect(book.leader('g')?.node).toBe('n1');
  });
});

declare const brand: unique symbol;

/** `Brand<number, 'Term'>` is a number that the compiler keeps apart from every other number. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };

/** Where chance comes from. Injected, so that a simulation repeats from its seed. */
export interface Random {
  /** A whole number, uniform in `[minimum, maximum]`, both included. */
  between(minimum: number, maximum: number): number;
}

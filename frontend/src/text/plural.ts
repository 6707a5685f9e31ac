/** Chooses the form of a word by a number; every catalogue names its forms. */
export function plural(language: string) {
  const rules = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  return (count: number, forms: { one: string; other: string }): string =>
    (rules.select(count) === "one" ? forms.one : forms.other).replace("#", numbers.format(count));
}

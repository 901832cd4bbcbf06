export const config = { outputTargets: [{ type: 'www' }] };

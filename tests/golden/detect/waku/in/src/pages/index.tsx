export default async function P(){return null}

import threading

from kubesim.util.ids import RevisionIdentities


def drawn(identities: RevisionIdentities, count: int) -> list[str]:
    return [identities.uid() for _ in range(count)]


def test_the_same_revisions_give_the_same_values_whether_in_one_process_or_in_two():
    revision = [1]
    one = RevisionIdentities("s", lambda: revision[0])
    first = drawn(one, 2)
    revision[0] = 5
    second = drawn(one, 2)
    assert drawn(RevisionIdentities("s", lambda: 1), 2) == first
    assert drawn(RevisionIdentities("s", lambda: 5), 2) == second


def test_what_was_undone_is_drawn_again():
    revision = [3]
    identities = RevisionIdentities("s", lambda: revision[0])
    first = drawn(identities, 2)
    revision[0] = 4
    drawn(identities, 1)
    revision[0] = 3
    assert drawn(identities, 2) == first


def test_threads_at_different_revisions_never_draw_the_same():
    """One writes and sees its own revisions, the others those that were committed."""
    seen = threading.local()
    identities = RevisionIdentities("s", lambda: seen.revision)
    found: list[str] = []

    def draw(number: int) -> None:
        for step in range(300):
            seen.revision = 10 + number * 3 + step // 100
            found.append(identities.uid())

    threads = [threading.Thread(target=draw, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(set(found)) == len(found) == 1200

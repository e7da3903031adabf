/* How a task settles: the protocol of settled, small enough to be checked whole.

   One task of at most MAX attempts; WORKERS processes that run it, and may crash, freeze (by not being scheduled),
   lose the answer to any commit, and go on as if nothing had happened; a reader, as a web process is for a page; a
   page that waits over a network that may never answer. Time is what the clocks may say: LATE (the deadline of the
   present status is over), PAST (settles_at is over), a lease that is over. They come when they like, in any order
   that a clock allows; that they come at all is the one fairness that is assumed, beside that whoever can go on does.

   What is between `atomic {` and `}` is one commit, or one look. The inlines are the transition table: they are what
   a real run's changes are replayed through (trace.py). Each -DBUG_… plants a bug, and check.py shows that it is found.
*/
#ifndef MAX
#define MAX 2
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef IDS
#define IDS WORKERS            /* with 2 * WORKERS, one that was declared lost enlists anew under another id, once */
#endif
#define NOBODY 255

mtype = { none, pending, running, completed, failed };

/* -- the row, and the rows of the workers: all that the ledger holds */
mtype status = none;
byte attempt = 0;
byte owner = NOBODY;
bool late = false;             /* deadline_at is over */
bool past = false;             /* settles_at is over */
bool known[WORKERS];           /* enlisted under its present id, and not declared lost */
bool silent[WORKERS];          /* not heard for a lease, on the ledger's clock */

#define SETTLED (status == completed || status == failed)
#define OPEN (status == pending || status == running)

/* -- what processes know: nothing of it decides */
bool alive[WORKERS];
byte me[WORKERS];              /* under which id it is enlisted */
byte held[WORKERS];            /* the attempt that it believes to run, if any */
byte held_as[WORKERS];
bool lease[WORKERS];           /* its lease is not over, counted from when the last renewal was sent */
bool over[WORKERS];            /* its attempt's deadline is over: it knows the row that it claimed */
byte begun = 0;                /* attempts that really began */

bool told = false;             /* a reader that cannot write has answered: failed */
bool seen = false;             /* a reader that reaches the ledger was told how it ended */
bool ended = false;            /* the page's wait has ended */
#ifdef BUG_LOST_WAKE_UP
bool bell = false;
#define RING bell = true
#else
#define RING skip
#endif

#define SLOT(id) ((id) % WORKERS)
#define KNOWN(id) (known[SLOT(id)] && me[SLOT(id)] == (id))
#define BELIEVES(w) (alive[w] && held[w] > 0 && held_as[w] == me[w] && lease[w] && !over[w])

/* -- the transition table: each of these is one guarded statement, in one commit */

inline submit() {
    assert(status == none);
    status = pending
}

inline enlist(id) {
    me[SLOT(id)] = id;
    known[SLOT(id)] = true;
    silent[SLOT(id)] = false
}

inline claim(id, won) {
    if
    :: status == pending && !late && KNOWN(id) ->
#ifdef BUG_RESCUES_NOT_COUNTED
        if :: rescued -> skip :: else -> attempt++ fi;
#else
        attempt++;
#endif
        begun++;
        assert(attempt <= MAX);
        assert(attempt == begun);          /* an attempt's number never comes twice */
        status = running; owner = id; late = past; won = true
    :: else -> won = false
    fi
}

#ifdef BUG_NO_GUARD
#define FENCE(at, from, to, expiry) (status != none)
#else
#ifdef BUG_NO_ATTEMPT
#define FENCE(at, from, to, expiry) (status == from && (!past || (expiry && to == failed)))
#else
#ifdef BUG_NO_BOUND
#define FENCE(at, from, to, expiry) (status == from && attempt == at)
#else
#define FENCE(at, from, to, expiry) (status == from && attempt == at && (!past || (expiry && to == failed)))
#endif
#endif
#endif

inline settle(at, from, to, expiry, won) {
    if
    :: FENCE(at, from, to, expiry) ->
        assert(!SETTLED);                  /* it settles once */
        assert(at == attempt);             /* a stale attempt never writes */
        assert(!(told && to == completed)); /* nobody is contradicted */
        status = to; won = true; RING;
        if
        :: to == pending -> owner = NOBODY; late = past
        :: else -> skip
        fi
    :: else -> won = false
    fi
}

/* A worker is declared lost if its process is known to be dead, or was silent for a lease. */
inline lose(id, gone, won) {
    if
    :: KNOWN(id) && (gone || silent[SLOT(id)]) -> known[SLOT(id)] = false; won = true
    :: else -> won = false
    fi
}

#ifndef TRACE

#ifdef BUG_RESCUES_NOT_COUNTED
bool rescued = false;
#endif
#ifdef BUG_SWEEP_LOCK
bool sweeping = false;
#endif
#if defined(BUG_WORKERS_ONLY) || defined(BUG_SWEEP_LOCK) || defined(BUG_SWEEPER_DIES)
#define READS_SETTLE false
#else
#define READS_SETTLE true
#endif

/* What is known no more is one state, not many. */
#define DROP(w) held[w] = 0; held_as[w] = NOBODY; over[w] = false

/* -- a worker: claims, runs, settles, beats; it may die between any two of these */
proctype Worker(byte w) {
    bool won;
    mtype to;
#ifdef BUG_OVERTAKEN
    bool overtaken;
#endif
    do
    :: atomic { alive[w] && held[w] == 0 && status == pending && known[w] ->
        claim(me[w], won);
        if
        :: won -> held[w] = attempt; held_as[w] = me[w]; over[w] = false
        :: won -> skip                     /* the answer was lost: it does not know that it has it */
        :: !won -> skip
        fi;
        won = false }
    :: atomic { alive[w] && held[w] > 0 ->
        if                                 /* how the function ends: past the bound another attempt makes no sense */
        :: to = completed
        :: held[w] < MAX && !past -> to = pending
        :: to = failed
        fi;
#ifdef BUG_OVERTAKEN
        overtaken = !past }                /* the transaction has begun, and its process is stopped */
        atomic { alive[w] ->
            if
            :: overtaken && status == running && attempt == held[w] -> assert(!(told && to == completed)); status = to
            :: else -> skip
            fi;
            DROP(w); to = none; overtaken = false }
#else
        settle(held[w], running, to, false, won);
        if
        :: DROP(w)
        :: over[w] = true                  /* the answer was lost: it is tried again, and the work has ended */
        fi;
        won = false; to = none }
#endif
    :: atomic { alive[w] && known[w] && !lease[w] -> silent[w] = false; lease[w] = true }
    :: atomic { alive[w] && !known[w] && me[w] + WORKERS < IDS ->
        enlist(me[w] + WORKERS);
#ifdef BUG_LEASE_OF_ANOTHER
        held_as[w] = me[w];
#endif
        lease[w] = true }
    :: atomic { alive[w] -> alive[w] = false; DROP(w); lease[w] = false; silent[w] = true; break }
    :: SETTLED && held[w] == 0 -> break
#ifdef BUG_WORKERS_ONLY
    :: atomic { alive[w] && OPEN && late -> settle(attempt, status, failed, true, won) }
#endif
    od
}

/* -- expiry, by whoever looks: the row is read in one step, and its verdict written in another */
inline look_at() {
    atomic {
        at = attempt; from = status; to = none;
        if
        :: status == pending && late -> to = failed
        :: status == running && late && (past || at == MAX) -> to = failed
        :: status == running && late && !past && at < MAX -> to = pending
        :: status == running && !late && owner != NOBODY && !KNOWN(owner) ->
            if :: at < MAX && !past -> to = pending :: else -> to = failed fi
        :: else -> skip
        fi
    }
}

inline write_expiry() {
    atomic {
#ifdef BUG_RESCUES_NOT_COUNTED
        rescued = (to == pending);
#endif
        if :: to != none -> settle(at, from, to, true, won) :: else -> skip fi;
        won = false; at = 0; from = none; to = none   /* what is known no more is one state, not many */
    }
}

inline lose_the_dead() {
    d_step {
        do
        :: id < WORKERS -> lose(me[id], !alive[id], won); id++
        :: id == WORKERS -> break
        od;
        id = 0; won = false
    }
}

/* -- the sweeper of a process; it may die, and nobody needs it */
proctype Sweeper() {
    bool won; byte at; byte id; mtype from; mtype to;
    do
    :: OPEN ->
#ifdef BUG_SWEEP_LOCK
        atomic { !sweeping -> sweeping = true };
        if :: skip :: goto died fi;        /* dies with the lock, which nothing ends */
#endif
#ifndef BUG_WORKERS_ONLY
        lose_the_dead();
        look_at();
        write_expiry();
#endif
#ifdef BUG_SWEEP_LOCK
        sweeping = false;
#endif
#ifdef BUG_SWEEPER_DIES
        if :: skip :: goto died fi;        /* one error of the database ends the loop */
#else
#ifndef BUG_SWEEP_LOCK
        if :: skip :: goto died fi;        /* its process dies */
#endif
#endif
    :: SETTLED -> break
    od;
died:
    skip
}

/* -- a reader that reaches the ledger: what it looks at, it settles first */
proctype Reader() {
    bool won; byte at; byte id; mtype from; mtype to;
    status != none;
    do
    :: !seen ->
        if
        :: READS_SETTLE -> lose_the_dead(); look_at(); write_expiry()
        :: READS_SETTLE -> skip            /* it cannot write: a replica, a full disk */
        :: !READS_SETTLE -> skip
        fi;
        atomic {
            if
            :: SETTLED -> seen = true
            :: READS_SETTLE && past && OPEN -> told = true; seen = true   /* the row and the clock alone say it */
            :: else -> skip
            fi
        }
    :: seen -> break
    od
}

/* -- a page that waits: asks a reader over a network, and has a deadline of its own */
proctype Page() {
    bool reached;
    status != none;
#ifdef BUG_LOST_WAKE_UP
    bool open_still;
    atomic { open_still = !SETTLED };
    atomic { bell = false };               /* only now it listens */
    if :: open_still -> bell :: else -> skip fi;
    ended = true
#else
    do
    :: !ended ->
        if :: reached = true :: reached = false fi;   /* it may be cut off for ever */
        atomic {
            if
#ifdef BUG_OWN_LIST
            :: reached && status == completed -> ended = true
            :: else -> skip
#else
            :: reached && (SETTLED || past) -> ended = true
            :: !reached && past -> ended = true       /* its own deadline: settles_in after it was told, and a grace */
            :: else -> skip
#endif
            fi
        }
    :: ended -> break
    od
#endif
}

/* -- the clocks */
proctype Deadline() {
    do
    :: d_step { OPEN && !late ->
        late = true;
        if :: status == running && held[0] == attempt -> over[0] = true :: else -> skip fi;
        if :: status == running && held[1] == attempt -> over[1] = true :: else -> skip fi }
    :: SETTLED || past -> break
    od
}

proctype Bound() {
    d_step { status != none -> past = true; late = true; over[0] = (held[0] > 0); over[1] = (held[1] > 0) }
}

/* A worker's own lease is over first, for it counts from when it sent the renewal that the ledger then heard. */
proctype Leases() {
    do
    :: SETTLED -> break
    :: atomic { OPEN && lease[0] -> lease[0] = false }
    :: atomic { OPEN && lease[1] -> lease[1] = false }
    :: atomic { OPEN && !lease[0] && !silent[0] -> silent[0] = true }
    :: atomic { OPEN && !lease[1] && !silent[1] -> silent[1] = true }
#ifdef BUG_CLOCK_OF_ANOTHER
    :: atomic { OPEN && !silent[0] -> silent[0] = true }
#endif
    od
}

init {
    byte w;
    atomic {
        for (w : 0 .. WORKERS - 1) {
            alive[w] = true; lease[w] = true; held_as[w] = NOBODY;
            enlist(w)
        }
        w = 0;
        run Worker(0); run Worker(1); run Reader(); run Deadline(); run Bound(); run Leases();
#ifdef WITH_SWEEPER
        run Sweeper();
#endif
#ifdef WITH_PAGE
        run Page();
#endif
        submit()
    }
}

#define completed_now (status == completed)
#define failed_now (status == failed)

/* The asserts in the table hold in every run; and: */
ltl once        { [] (completed_now -> [] completed_now) && [] (failed_now -> [] failed_now) }
ltl one_lease   { [] !(BELIEVES(0) && BELIEVES(1)) }
ltl no_flip     { [] (told -> [] !completed_now) }
ltl settles     { <> seen }
ltl wait_ends   { <> ended }

#endif

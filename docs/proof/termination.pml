/*
 * The kill switch as a model that a machine checks: every interleaving of two dispatchers that may die at any point,
 * two orders, the rescuer and the sweeper on two calls of one campaign. README.md beside this file says how to read it.
 *
 * One d_step is what others see happen at once: a statement, or a commit. Between two of them anybody may act. What a
 * transaction wrote before its commit is not in the tables below but in the place where its process stands: nobody
 * else can see it (READ COMMITTED), and `row_locked` keeps others from writing the same row.
 *
 * The names of the macros that break the protocol on purpose (each must give a counter-example) are in README.md.
 */

#define RETRIES_MAX 1
#define NOBODY 0
#ifndef ONLY
#define ONLY 0              /* check every promise, or only the one with this number */
#endif
#define unchecked(n) (ONLY != 0 && ONLY != n)

mtype = { unregistered, registered, retry, ongoing, completed, cancelled, error };
mtype = { none, prepared, originated };
mtype = { nothing, cancellation, no_retry };

/* The tables, as committed. */
mtype status[2];
byte  epoch_of[2];          /* the campaign's epoch when the call was registered */
bit   retry_barred[2];
byte  retries_used[2];
mtype attempt[2] = none;    /* the one live attempt of a call: a unique index sees to it */
byte  owner[2];             /* who claimed it; a dispatcher that died comes back as another owner */
byte  epoch;                /* of the campaign */
byte  fences;               /* bit e: the fence behind which the calls of epoch e wait for the sweeper */
byte  number_fences;        /* bit c: call c had been registered when an order fenced its number */

/* Locks. */
bit   row_locked[2];
byte  shared;               /* holders of both advisory locks, of the number fences and of the campaign, shared */
bit   campaign_exclusive;   /* an order holds exactly one of them */
bit   numbers_exclusive;

/* What the world was promised. No process reads these, only the promises do. */
mtype owed[2] = nothing;    /* what an order that committed owes this call */
bit   acknowledged[2];      /* an order that covers it was answered with 200 */
bit   is_ringing[2];        /* a request left and nobody knows yet what became of it */
bit   is_counted[2];        /* some receipt says that its order cancelled this call, or barred its retry */

/* One for each assertion, so that a failing one is called by its name. */
bool promise_1_no_dial_after_the_acknowledgement = true;
bool promise_2_no_retry = true;
bool promise_3_every_covered_call_is_cancelled = true;
bool promise_3_no_other_call_is_cancelled = true;
bool promise_5_unknown_fate_is_never_dialled_again = true;
bool promise_6_a_call_is_counted_once = true;
bool in_the_end_everything_is_settled = true;

#define is_pending(c) (status[c] == registered || status[c] == retry)
#define is_open(c)    (is_pending(c) || status[c] == ongoing)
#define is_number_fenced(c) ((number_fences >> c) & 1)
#define is_behind_a_fence(c) (((fences >> epoch_of[c]) & 1) || is_number_fenced(c))
#define is_fenced(c)  (epoch_of[c] != epoch || is_number_fenced(c))
#define is_mine(c)    (attempt[c] != none && owner[c] == me)

/* Every request that leaves for the carrier passes here. */
inline originate(c) {
    promise_1_no_dial_after_the_acknowledgement =
        (unchecked(1) || !acknowledged[c] || owed[c] != cancellation);
    assert(promise_1_no_dial_after_the_acknowledgement);
    promise_2_no_retry = (unchecked(2) || owed[c] != no_retry);
    assert(promise_2_no_retry);
    promise_5_unknown_fate_is_never_dialled_again = (unchecked(5) || !is_ringing[c]);
    assert(promise_5_unknown_fate_is_never_dialled_again);
    is_ringing[c] = 1
}

/* Receipts count a call where its row is marked. On one of them, once. */
inline count(c) {
    promise_6_a_call_is_counted_once = (unchecked(6) || !is_counted[c]);
    assert(promise_6_a_call_is_counted_once);
    is_counted[c] = 1
}
#ifdef COUNT_WITH_ORDER
#define count_barred(c)   skip
#define count_with_order(c) count(c)
#else
#define count_barred(c)   count(c)
#define count_with_order(c) skip
#endif

/* Every call that ends passes here. Terminal means terminal: nothing below writes to a call that is not open. */
inline end_call(c, how) {
    if
    :: how == cancelled ->
        promise_3_no_other_call_is_cancelled = (unchecked(3) || owed[c] != nothing);
        assert(promise_3_no_other_call_is_cancelled);
        promise_6_a_call_is_counted_once = (unchecked(6) || is_counted[c]);
        assert(promise_6_a_call_is_counted_once)
    :: else ->
        promise_3_every_covered_call_is_cancelled = (unchecked(3) || owed[c] != cancellation);
        assert(promise_3_every_covered_call_is_cancelled)
    fi;
    status[c] = how;
    retry_barred[c] = 0; retries_used[c] = 0; is_ringing[c] = 0; is_counted[c] = 0   /* nobody looks any more */
}

inline end_attempt(c) { attempt[c] = none; owner[c] = NOBODY }

/* The advisory lock, shared. An order takes it exclusively, so it waits for everybody here, and they for it. */
#define can_share (!campaign_exclusive && !numbers_exclusive)
inline lock_shared()   { can_share -> shared++ }
inline unlock_shared() { shared-- }
#ifdef NO_PERMIT_LOCK
inline lock_for_permit() { skip }
inline end_permit()      { skip }
#else
inline lock_for_permit() { lock_shared() }
inline end_permit()      { unlock_shared() }
#endif

/* ---------------------------------------------------------------------------------------------------------------- */

inline go_idle(c) { c = 0; is_over = 0; was_lost = 0 }

/* The process is gone, its transaction rolled back. Its attempt stays: the lease will run out. */
inline die(c) {
    if :: is_mine(c) -> owner[c] = NOBODY :: else fi;
    go_idle(c)
}

/* The campaign's epoch was read before: it may be the one that an order has ended since. */
#define is_claimable(c) (is_pending(c) && (epoch_of[c] == epoch || is_behind_a_fence(c)))

inline claim(call) { is_claimable(call) && attempt[call] == none && !row_locked[call] ->
    c = call; attempt[c] = prepared; owner[c] = me
}

inline settle(c, proposed) {
    if
    :: is_mine(c) ->
        end_attempt(c); is_ringing[c] = 0;
        if
        :: status[c] == ongoing && is_over && !retry_barred[c] -> count_barred(c)    /* the sweeper was not here yet */
        :: else
        fi;
#ifdef NO_SETTLE_RULE
        is_over = 0;
#else
        is_over = (is_over || retry_barred[c]);
#endif
        if
        :: status[c] == ongoing || (is_pending(c) && !is_over) ->
            if
            :: proposed != retry -> end_call(c, proposed)
            :: proposed == retry && is_over -> end_call(c, cancelled)
            :: else -> status[c] = retry; retries_used[c]++
            fi
        :: else                                                     /* behind a fence: the sweeper's */
        fi
    :: else                                                         /* rescued meanwhile: its fate is sealed */
    fi
}
inline end_settle() {
    row_locked[c] = 0;
    if :: was_lost -> unlock_shared() :: else fi;
    go_idle(c)
}

proctype Dispatcher(byte me) {
    byte c;
    bit is_over;        /* what the statement's snapshot says: the call's epoch is not the campaign's */
    bit was_lost;       /* the permit's transaction was lost although the request had left */

end_idle:
    if
    :: d_step { claim(0) }
    :: d_step { claim(1) }
    fi;

    /* Claimed. To the world the call is still registered, or in retry. */
    if
#ifdef STALE_SNAPSHOT
    :: d_step { is_over = is_fenced(c) };
       d_step { lock_for_permit() }
#else
    :: d_step { lock_for_permit() }
#endif
    :: d_step { die(c) }; goto end_idle
    fi;

    /* The permit, a statement of its own: its snapshot is younger than the lock, and it waits for the call's row. */
    if
    :: atomic { !row_locked[c] ->
#ifndef STALE_SNAPSHOT
        is_over = is_fenced(c);
#endif
        if
#ifdef NO_ROW_CHECK
        :: !is_over && is_mine(c) -> row_locked[c] = 1
#else
        :: !is_over && is_mine(c) && is_pending(c) -> row_locked[c] = 1
#endif
        :: else -> end_permit(); goto give_back
        fi }
    :: d_step { end_permit(); die(c) }; goto end_idle
    fi;

    /* Permitted, locks held: now the request leaves. A session that is lost before takes longer than permit_ttl_ms to
       let anybody else in, and the dispatcher sends nothing that late. */
    if
    :: d_step { originate(c) }
    :: d_step { row_locked[c] = 0; end_permit() };
#ifdef NO_PERMIT_TTL
       d_step { originate(c); was_lost = 1 }; goto released
#endif
       goto give_back
    :: d_step { row_locked[c] = 0; end_permit(); die(c) }; goto end_idle
    fi;

    /* The request has left; its transaction commits or is lost. */
    if
    :: d_step { status[c] = ongoing; attempt[c] = originated; row_locked[c] = 0; end_permit() }
    :: d_step { row_locked[c] = 0; end_permit(); was_lost = 1 }
    :: d_step { row_locked[c] = 0; end_permit(); die(c) }; goto end_idle
    fi;

released:
    /* The carrier reports the outcome. After a lost permit the call is still pending in the tables, so whether it is
       covered must not change between judging and commit: settle takes the permit's lock. */
    if
    :: !was_lost
#ifdef LOST_PERMIT_UNLOCKED
    :: d_step { was_lost -> was_lost = 0 }
#else
    :: d_step { was_lost && can_share -> shared++ }
#endif
    :: d_step { die(c) }; goto end_idle
    fi;
    d_step { is_over = is_fenced(c) };                    /* the snapshot of settle */
    if
    :: d_step { !row_locked[c] -> row_locked[c] = 1 }               /* it may wait for the row and be old by then */
    :: d_step { if :: was_lost -> unlock_shared() :: else fi; die(c) }; goto end_idle
    fi;
    if
    :: d_step { settle(c, completed); end_settle() }
    :: d_step { retries_used[c] < RETRIES_MAX -> settle(c, retry); end_settle() }      /* busy */
    :: d_step { row_locked[c] = 0; if :: was_lost -> unlock_shared() :: else fi; die(c) }
    fi;
    goto end_idle;

give_back:                                                          /* nothing has left: it was no attempt */
    if
    :: d_step { !row_locked[c] -> if :: is_mine(c) -> end_attempt(c) :: else fi; go_idle(c) }
    :: d_step { die(c) }
    fi;
    goto end_idle
}

/* ---------------------------------------------------------------------------------------------------------------- */

/* The crash rules. A lease is not modelled: any live attempt may be found expired, also that of a dispatcher which is
   only slow. The lock is for pending calls, as in settle. */
#ifdef RESCUE_UNLOCKED
#define may_rescue 1
inline end_rescue() { row_locked[c] = 0; c = 0; is_over = 0 }
#else
#define may_rescue can_share
inline end_rescue() { row_locked[c] = 0; c = 0; is_over = 0; unlock_shared() }
#endif
inline find(call) { attempt[call] != none && !row_locked[call] && may_rescue ->
#ifndef RESCUE_UNLOCKED
    shared++;
#endif
    c = call; row_locked[c] = 1; is_over = is_fenced(c)
}

proctype Rescuer() {
    byte c;
    bit is_over;

end_idle:
    do
    :: if
       :: d_step { find(0) }
       :: d_step { find(1) }
       fi;
       if
       :: d_step {
            end_attempt(c);
            if
#ifdef REDIAL_UNKNOWN
            :: is_open(c) -> status[c] = registered
#else
            :: status[c] == ongoing || (is_pending(c) && !is_over) ->
                if
                :: status[c] == ongoing && is_over && !retry_barred[c] -> count_barred(c)
                :: else
                fi;
                end_call(c, error)
#endif
            :: else                                                 /* behind a fence: the sweeper's */
            fi;
            end_rescue() }
       :: d_step { end_rescue() }                                   /* died */
       fi
    od
}

/* ---------------------------------------------------------------------------------------------------------------- */

/* Behind an open fence: what is pending is cancelled, what is on the wire is barred. A locked row is skipped; nothing
   that the sweeper reads can change before its commit, so one step stands for its transaction. */
#define is_unswept(c)        (is_pending(c) || (status[c] == ongoing && !retry_barred[c]))
#ifdef CLOSE_EARLY
#define keeps_open(e, c)     (epoch_of[c] == e && is_pending(c))
#else
#define keeps_open(e, c)     (epoch_of[c] == e && is_unswept(c))
#endif

#ifdef SWEEP_WIDE
#define is_to_sweep(c)       (fences || number_fences)
#else
#define is_to_sweep(c)       is_behind_a_fence(c)
#endif

inline sweep(c) { is_to_sweep(c) && is_unswept(c) && !row_locked[c] ->
    if
    :: is_pending(c) -> count(c); end_call(c, cancelled)
    :: else -> retry_barred[c] = 1; count_barred(c)
    fi
}

inline close_number_fence(c) { is_number_fenced(c) && !keeps_open(epoch_of[c], c) ->
    number_fences = number_fences & ~(1 << c)
}
inline close_fence(e) { ((fences >> e) & 1) && !keeps_open(e, 0) && !keeps_open(e, 1) -> fences = fences & ~(1 << e) }

proctype Sweeper() {
end_idle:
    do
    :: d_step { sweep(0) }
    :: d_step { sweep(1) }
    :: d_step { close_fence(0) }
    :: d_step { close_fence(1) }
    :: d_step { close_number_fence(0) }
    :: d_step { close_number_fence(1) }
    od
}

/* ---------------------------------------------------------------------------------------------------------------- */

/* Covered at the commit of an order: from here on the promises hold it to its word. */
inline cover(c) {
    covered = covered | (1 << c);
    if
    :: is_pending(c) -> owed[c] = cancellation
    :: else -> owed[c] = no_retry
    fi
}
inline cover_behind_a_fence(c) {
    cover(c);
    if :: status[c] == ongoing && !retry_barred[c] -> count_with_order(c) :: else fi
}

inline acknowledge() {
    if :: covered & 1 -> acknowledged[0] = 1 :: else fi;
    if :: covered & 2 -> acknowledged[1] = 1 :: else fi;
    covered = 0
}

#define is_terminable(c) (is_pending(c) && !is_fenced(c))

/* By campaign, and in the same way by agent: one epoch and one fence, however many calls there are. Nothing terminable
   is a 400, which changes nothing. */
proctype TerminateCampaign() {
    byte covered;

    if
    :: d_step { !campaign_exclusive && !shared -> campaign_exclusive = 1 };
       if
       :: d_step {
            if
            :: is_terminable(0) || is_terminable(1) ->
                if :: is_open(0) && epoch_of[0] == epoch -> cover_behind_a_fence(0) :: else fi;
                if :: is_open(1) && epoch_of[1] == epoch -> cover_behind_a_fence(1) :: else fi;
                fences = fences | (1 << epoch); epoch++
            :: else
            fi;
            campaign_exclusive = 0 };
          d_step { acknowledge() }
       :: d_step { campaign_exclusive = 0 }                         /* died: the order was never given */
       fi
    :: skip                                                         /* died before, or is never given */
    fi
}

/* By numbers with very many calls, here those of both: a fence for each, under a lock that permits share as well. It
   covers the calls that had been registered. */
proctype TerminateManyNumbers() {
    byte covered;

    if
    :: d_step { !numbers_exclusive && !shared -> numbers_exclusive = 1 };
       if
       :: d_step {
            if
            :: is_terminable(0) || is_terminable(1) ->
                if :: is_open(0) -> cover(0) :: else fi;
                if :: is_open(1) -> cover(1) :: else fi;
                number_fences = number_fences | (1 + 2 * (status[1] != unregistered))
            :: else
            fi;
            numbers_exclusive = 0 };
          d_step { acknowledge() }
       :: d_step { numbers_exclusive = 0 }                          /* died */
       fi
    :: skip
    fi
}

/* By call id or by number: rows are locked one after the other, then judged. The first call alone, or both. No
   advisory lock: permit and order meet on the row. The epoch is the statement's snapshot. */
#define is_hit(c)     (is_pending(c) && epoch_of[c] == seen_epoch && !((seen_fences >> c) & 1))
#ifdef NO_BAR
#define bar(c)        skip
#else
#define bar(c)        retry_barred[c] = 1
#endif

inline strike(c) {
    if
    :: is_hit(c) -> cover(c); count(c); end_call(c, cancelled)
    :: status[c] == ongoing ->
        cover(c);
        if :: !retry_barred[c] -> bar(c); count(c) :: else fi
    :: else                                                         /* over, or behind a fence: not ours */
    fi
}
inline end_rows() {
    row_locked[0] = 0;
    if :: both -> row_locked[1] = 0 :: else fi;
    both = 0; seen_second = 0; seen_epoch = 0; seen_fences = 0
}

proctype TerminateRows() {
    byte covered, seen_epoch, seen_fences;
    bit seen_second, both;

    d_step { seen_epoch = epoch; seen_fences = number_fences; seen_second = (status[1] != unregistered) };
    d_step { !row_locked[0] -> row_locked[0] = 1 };
    if
    :: d_step { seen_second && !row_locked[1] -> row_locked[1] = 1; both = 1 }
    :: skip
    fi;
#ifdef ACKNOWLEDGE_EARLY
    d_step { if :: is_hit(0) -> cover(0) :: else fi; acknowledge() };
#endif
    if
    :: d_step {
         if
         :: is_hit(0) || (both && is_hit(1)) ->
             strike(0);
             if :: both -> strike(1) :: else fi
         :: else                                                    /* nothing terminable: 400 */
         fi;
         end_rows() };
       d_step { acknowledge() }
    :: d_step { end_rows() }                                        /* died, or was broken as a deadlock's victim */
    fi
}

/* ---------------------------------------------------------------------------------------------------------------- */

#define is_over_and_done(c) (!is_open(c) && attempt[c] == none && !row_locked[c])

init {
    atomic {
        status[0] = registered;
        if
        :: status[1] = registered
        :: status[1] = unregistered                                 /* comes later: orders before do not cover it */
        fi;
        run Dispatcher(1); run Dispatcher(2); run Rescuer(); run Sweeper(); run FIRST_ORDER(); run SECOND_ORDER()
    }

end_idle:
    do
    :: d_step { status[1] == unregistered && !campaign_exclusive -> status[1] = registered; epoch_of[1] = epoch }
    :: timeout ->                                                   /* nobody can do anything any more */
       in_the_end_everything_is_settled = unchecked(7) ||
            (is_over_and_done(0) && is_over_and_done(1) && !fences && !number_fences && !shared && can_share);
       assert(in_the_end_everything_is_settled);
       break
    od
}

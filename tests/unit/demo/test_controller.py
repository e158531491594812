from hotpeers_demo.controller import make_app

USER = {"user_id": "ada"}


async def test_a_session_keeps_its_events_in_order(client_of):
    async with client_of(make_app()) as client:
        created = await client.post(
            "/api/sessions", params=USER, json={"id": "s1", "user_id": "ada", "agent_ref": "a"}
        )
        for number in range(3):
            event = {"id": f"e{number}", "data": f'{{"n": {number}}}'}
            await client.post("/api/sessions/s1/events", params=USER, json=event)
        found = (await client.get("/api/sessions/s1", params={**USER, "limit": -1})).json()
    assert created.status_code == 201
    assert (created.json()["data"]["id"], created.json()["data"]["user_id"]) == ("s1", "ada")
    assert found["data"]["session"]["id"] == "s1"
    assert [event["data"] for event in found["data"]["events"]] == [
        '{"n": 0}',
        '{"n": 1}',
        '{"n": 2}',
    ]


async def test_creating_a_session_again_keeps_its_events(client_of):
    body = {"id": "s1", "user_id": "ada"}
    async with client_of(make_app()) as client:
        await client.post("/api/sessions", params=USER, json=body)
        await client.post("/api/sessions/s1/events", params=USER, json={"id": "e", "data": "{}"})
        await client.post("/api/sessions", params=USER, json=body)
        found = (await client.get("/api/sessions/s1", params=USER)).json()
    assert len(found["data"]["events"]) == 1


async def test_sessions_belong_to_a_user(client_of):
    async with client_of(make_app()) as client:
        await client.post("/api/sessions", params=USER, json={"id": "s1", "user_id": "ada"})
        other = await client.get("/api/sessions/s1", params={"user_id": "eve"})
        mine = (await client.get("/api/sessions", params=USER)).json()["data"]
        theirs = (await client.get("/api/sessions", params={"user_id": "eve"})).json()["data"]
    assert other.status_code == 404
    assert [session["id"] for session in mine] == ["s1"]
    assert theirs == []


async def test_an_unknown_session_takes_no_event(client_of):
    async with client_of(make_app()) as client:
        answer = await client.post(
            "/api/sessions/none/events", params=USER, json={"id": "e", "data": "{}"}
        )
    assert answer.status_code == 404
    assert answer.json()["error"] is True


async def test_a_deleted_session_is_gone(client_of):
    async with client_of(make_app()) as client:
        await client.post("/api/sessions", params=USER, json={"id": "s1", "user_id": "ada"})
        await client.delete("/api/sessions/s1", params=USER)
        answer = await client.get("/api/sessions/s1", params=USER)
    assert answer.status_code == 404


async def test_last_saved_version_of_a_task_is_returned(client_of):
    async with client_of(make_app()) as client:
        missing = await client.get("/api/tasks/t1")
        await client.post("/api/tasks", json={"id": "t1", "status": "working"})
        await client.post("/api/tasks", json={"id": "t1", "status": "completed"})
        found = (await client.get("/api/tasks/t1")).json()
        await client.delete("/api/tasks/t1")
        gone = await client.get("/api/tasks/t1")
    assert missing.status_code == gone.status_code == 404
    assert found == {
        "error": False,
        "data": {"id": "t1", "status": "completed"},
        "message": "",
    }

<%@ page contentType="text/plain; charset=UTF-8" session="false" %><%
  application.log("record: " + request.getParameter("who") + " " + request.getParameter("what"));
%>recorded
